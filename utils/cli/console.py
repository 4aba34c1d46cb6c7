"""Messages for the person at the terminal, said once however many processes run."""

from __future__ import annotations

import os
import sys


def process_rank() -> int:
    """Return this process's number among those the launcher started; 0 without a launcher."""
    return int(os.environ.get("RANK", "0"))


def process_count() -> int:
    """Return how many processes the launcher started; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Return whether this process is the one that speaks and writes shared files."""
    return process_rank() == 0


def say(text: str = "") -> None:
    """Print a line on stdout, from the main process only.

    Args:
        text: The line; nothing prints an empty one.
    """
    if is_main_process():
        # Flushed, so that a log file grows with the run and keeps its order beside stderr.
        try:
            print(text, flush=True)
        except UnicodeEncodeError:  # a file's name need not be text, nor a terminal know all signs
            encoding = sys.stdout.encoding
            print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def warn(text: str) -> None:
    """Print "warning: ..." on stderr, from the main process only.

    Args:
        text: What is unusual, and what to do about it.
    """
    if is_main_process():
        print(f"warning: {text}", file=sys.stderr, flush=True)
