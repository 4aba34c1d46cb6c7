"""Runs in processes of their own that kill themselves with -9 at a chosen moment."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.processes import SERVER


def _train(arguments: list[str], kill_at: int | None, log: Path) -> None:
    """Train; killed at the n-th time that a file or folder is to get its name."""
    with open(log, "a", encoding="utf-8") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    import finetune
    from utils.cli.errors import run_script

    replace, calls = os.replace, 0

    def replace_or_die(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        # Before the renaming and after it are different moments.
        if kill_at is not None and 2 * calls >= kill_at:
            if kill_at % 2 == 1:
                replace(source, target)
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = replace_or_die
    os._exit(run_script(lambda _: finetune.main(arguments)))


def train(arguments: list[str], log: Path, kill_at: int | None = None) -> int:
    """Run finetune.py in a process of its own.

    Args:
        arguments: its flags.
        log: what it says is added to this file.
        kill_at: twice the number of the renaming before which it dies; one more: after which.

    Returns:
        Its exit code; -9 if it was killed.
    """
    process = SERVER.Process(target=_train, args=(arguments, kill_at, log))
    process.start()
    process.join(250)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode
