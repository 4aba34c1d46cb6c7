"""The scripts in processes of their own that need not load the libraries first.

Loading torch, transformers and peft takes longer than a small run. So a server loads them once, and
each process is a fork of it: it has an environment, a folder, arguments and output of its own, and
runs the script as `python SCRIPT` does. What a test says of launchers, or of the start itself,
needs a start from nothing, and does without this.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess

SERVER = multiprocessing.get_context("forkserver")
# None of them starts a thread when it is imported, which a fork would not survive.
SERVER.set_forkserver_preload(
    ["utils.training.trainable", "utils.training.run", "utils.evaluation.run_models"]
)


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_forked(
    command: Sequence[str], folder: Path, said: Path, environment: Mapping[str, str] | None = None
) -> BaseProcess:
    """Start a script.

    Args:
        command: the script, from `folder` on, and its arguments.
        folder: in which it runs.
        said: a folder; what the script says is added to `stdout` and `stderr` there.
        environment: all of its variables; this process's if not given.
    """
    environment = dict(os.environ if environment is None else environment)
    process = SERVER.Process(target=_run, args=(list(command), folder, said, environment))
    process.start()
    return process


def wait_until_said(process: BaseProcess, said: Path, line: str) -> None:
    """Wait until a process that was started has written a first line to its `stdout`."""
    deadline = time.monotonic() + 200
    while not (said / "stdout").exists() or (said / "stdout").read_text("utf-8") != f"{line}\n":
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.02)


def run_forked(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    processes: int = 1,
    timeout: float = 500,
) -> CompletedProcess[str]:
    """Run a script, in one process or in several that find each other as torchrun's do.

    Args:
        command: as `start_forked` has it.
        folder: likewise.
        environment: likewise.
        processes: how many.
        timeout: seconds after which they are ended and the test fails.

    Returns:
        The first exit code that is not 0, and what all of them said.
    """
    environment = dict(os.environ if environment is None else environment)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    place |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    with tempfile.TemporaryDirectory() as said:
        started = []
        for rank in range(processes):
            own = {**place, "RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {}
            started.append(start_forked(command, folder, Path(said), environment | own))
        for process in started:
            process.join(timeout)
        codes = [process.exitcode for process in started]
        for process in started:
            process.kill()
            process.join()
        stdout, stderr = (Path(said, name).read_text("utf-8") for name in ("stdout", "stderr"))
    assert None not in codes, f"{command} hangs: {stderr[-2000:]}"
    return CompletedProcess(list(command), next(filter(None, codes), 0), stdout, stderr)


def _run(command: list[str], folder: Path, said: Path, environment: dict[str, str]) -> None:
    """Become the script's process: what happens in the fork."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        with open(said / name, "ab") as file:
            os.dup2(file.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    multiprocessing.set_start_method(None, force=True)  # else its own would be the server's forks
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")
