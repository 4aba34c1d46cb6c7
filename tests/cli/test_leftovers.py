"""What a killed process was writing goes with the next one; what a living one writes stays."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from utils.cli import leftovers
from utils.cli.files import atomic_write
from utils.cli.leftovers import exchange, remove_folder, remove_leftovers, unfinished

WRITE = """
import os, sys, time
from pathlib import Path
from utils.cli.leftovers import unfinished
with unfinished(Path(sys.argv[1])) as file, unfinished(Path(sys.argv[1]), folder=True) as folder:
    (folder / "weights").write_text("half")
    print(os.getpid(), flush=True)
    time.sleep(60)
"""
NEW_NAMES = ["unshare", "--user", "--pid", "--fork", "--mount-proc", "--kill-child"]


def start_writer(target: Path, repository: Path, *launcher: str) -> subprocess.Popen[str]:
    command = [*launcher, sys.executable, "-c", WRITE, str(target)]
    return subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("launcher", [[], NEW_NAMES], ids=["", "process 1 of a container"])
def test_what_is_being_written_stays_until_its_writer_is_killed(
    tmp_path: Path, repository: Path, launcher: list[str]
) -> None:
    if launcher and subprocess.run([*launcher, "true"], capture_output=True).returncode:
        pytest.skip("this system makes no process namespaces")
    writer = start_writer(tmp_path / "model", repository, *launcher)
    assert writer.stdout is not None
    number = int(writer.stdout.readline())
    assert number == 1 or not launcher
    remove_leftovers(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    writer.kill()
    writer.wait()
    until = time.monotonic() + 20  # the namespace's processes go a little after their parent
    while list(tmp_path.iterdir()) and time.monotonic() < until:
        remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_first_write_into_a_folder_removes_what_is_left_there(tmp_path: Path) -> None:
    (tmp_path / ".other.json.1.unfinished").write_text("{")
    (tmp_path / ".model.0123abcd.removed").mkdir()
    (tmp_path / ".mine.unfinished").write_text("the user's own")
    with atomic_write(tmp_path / "a.json") as file:
        file.write("{}")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", ".mine.unfinished"}


def test_where_there_are_no_locks_only_what_is_old_counts_as_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    for name in (".new.1a.unfinished", ".old.1a.unfinished"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text("half")
    past = time.time() - leftovers.UNTOUCHED_SECONDS - 60
    for path in (tmp_path / ".old.1a.unfinished", tmp_path / ".old.1a.unfinished" / "weights"):
        os.utime(path, (past, past))
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".new.1a.unfinished"]


def test_a_writer_whose_file_was_taken_for_left_makes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    lock = leftovers.lock

    def lock_late(path: Path) -> int | None:
        if not taken:  # another process is quicker, once
            taken.append(path)
            path.unlink()
        return lock(path)

    monkeypatch.setattr(leftovers, "lock", lock_late)
    with unfinished(tmp_path / "a") as path:
        assert path == taken[0]
        assert path.exists()


def test_a_folder_is_never_seen_half_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, **_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "checkpoint-2").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_folder(tmp_path / "checkpoint-2")
    assert not (tmp_path / "checkpoint-2").exists()
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_replaced_is_there_as_before(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("old")
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "missing", tmp_path / "model")
    assert (tmp_path / "model" / "weights").read_text() == "old"
