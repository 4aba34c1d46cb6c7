"""Messages for the person at the terminal, said once however many processes run."""

from __future__ import annotations

import os
import re
import sys
import warnings
from typing import TextIO

# The processes that a quiet one starts are quiet too.
_QUIET = "WHISPER_FINETUNE_QUIET"

# What moves the cursor, recolours or renames a terminal, or turns the order of signs around: ids,
# paths and sentences are other people's. The tab and the end of a line stay.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def process_rank() -> int:
    """Return this process's number among those the launcher started; 0 without a launcher."""
    return int(os.environ.get("RANK", "0"))


def process_count() -> int:
    """Return how many processes the launcher started; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Return whether this process is the one that speaks and writes shared files."""
    return process_rank() == 0


def be_quiet() -> None:
    """Print only errors and results from now on, in this process and those that it starts."""
    os.environ[_QUIET] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    warnings.simplefilter("ignore")


def is_quiet() -> bool:
    """Return whether only errors and results are printed."""
    return os.environ.get(_QUIET) == "1"


def say(text: str = "") -> None:
    """Print a line on stdout, from the main process only, unless --quiet was given.

    Args:
        text: The line; nothing prints an empty one.
    """
    if not is_quiet():
        say_result(text)


def say_result(text: str = "") -> None:
    """Print what the script was started for, with --quiet too.

    Args:
        text: The line; nothing prints an empty one.
    """
    if is_main_process():
        # Flushed, so that a log file grows with the run and keeps its order beside stderr.
        print_to(text, sys.stdout)


def warn(text: str, *, changes_result: bool = False) -> None:
    """Print "warning: ..." on stderr, from the main process only.

    Args:
        text: What is unusual, and what to do about it.
        changes_result: The result is not what was asked for; printed with --quiet too.
    """
    if is_main_process() and (changes_result or not is_quiet()):
        print_to(f"warning: {text}", sys.stderr)


def printable(text: str) -> str:
    r"""Return a text in which what would steer a terminal is spelled out, such as \x1b."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def print_to(text: str, stream: TextIO) -> None:
    """Print a text on a stream, whatever characters it holds and the stream's encoding has."""
    text = printable(text)
    try:
        print(text, file=stream, flush=True)
    except UnicodeEncodeError:  # a file's name need not be text, nor a terminal know all signs
        encoding = stream.encoding or "ascii"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
