"""Running the repository's own scripts one after the other, as a person would type them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence

from utils.cli.console import say
from utils.cli.errors import EXIT_USER_ERROR, Failure, UserError


def _interpreter() -> str:
    """Return the interpreter as one would type it, so that the line can be copied."""
    try:
        shown = os.path.relpath(sys.executable)
    except ValueError:  # on another drive
        return sys.executable
    return sys.executable if shown.startswith("..") else shown


def _typed(command: Sequence[str]) -> str:
    """Return a command as this system's shell takes it."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def run_step(number: str, command: Sequence[str]) -> None:
    """Print a command, run it, and stop if it fails.

    Args:
        number: what the step is called, such as "3/7".
        command: the script and its arguments, without the interpreter.

    Raises:
        UserError: the step ended with exit code 2.
        Failure: it ended with another code than 0.
    """
    say(f"\n[{number}] {_typed([_interpreter(), *command])}")
    code = subprocess.run([sys.executable, *command], check=False).returncode
    if code == 0:
        return
    kind = UserError if code == EXIT_USER_ERROR else Failure
    raise kind(
        f"step {number}, {command[0]}, ended with exit code {code}, expected 0",
        "Its output is above. Run that command by itself once the cause is fixed.",
    )
