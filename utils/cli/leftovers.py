"""What is written beside its place until it is whole, and what killed processes leave of it.

| name | what it is |
|---|---|
| `.<name>.<8 hexadecimal digits>.unfinished` | a file or folder that is being written |
| `.<name>.<8 hexadecimal digits>.old` | a folder that another one is taking the place of |
| `.<name>.<8 hexadecimal digits>.removed` | a folder that is being removed |

A process that is killed cannot remove what it began; the next one that writes into the same folder
does. A maker holds a lock of the system's (flock) on what it makes, which ends with the process.
Process numbers would prove nothing: they are given anew, and the first process of every container
is number 1. Where there are no such locks (Windows, some network file systems), what was not
touched for a day counts as left.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNTOUCHED_SECONDS = 24 * 3600.0
_NAME = re.compile(r"\.(?P<name>.+)\.[0-9a-f]+\.(?P<kind>unfinished|old|removed)(\.\w+)?")
_seen: set[str] = set()
"""Folders that this process has looked through."""
_seen_lock = threading.Lock()
_own: set[str] = set()
"""What this process is writing."""


@contextmanager
def unfinished(target: Path, *, folder: bool = False, ending: str = "") -> Iterator[Path]:
    """Make an empty file or folder beside the target, to be filled and then renamed.

    Args:
        target: what it is to become; its own folder is made if need be.
        folder: whether it is one.
        ending: of the name, for writers that go by it.

    Yields:
        Its path. What is still there at the end is removed.

    Raises:
        OSError: its place cannot be written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers_once(target.parent)
    path = _beside(target, "unfinished", ending)
    handle = _make_and_lock(path, folder)
    _own.add(key := os.path.abspath(path))
    try:
        yield path
    finally:
        _remove(path)
        unlock(handle)
        _own.discard(key)


def is_own(path: Path) -> bool:
    """Whether it is what `unfinished` gave, and is still to be renamed."""
    return os.path.abspath(path) in _own


def _make_and_lock(path: Path, folder: bool) -> int | None:
    while True:
        if folder:
            path.mkdir(exist_ok=True)
        else:
            path.touch()
        try:
            handle = lock(path)
        except (BlockingIOError, FileNotFoundError):
            continue  # somebody took it for left before it was locked
        if path.exists():
            return handle
        unlock(handle)


def exchange(finished: Path, target: Path) -> None:
    """Rename a folder to the name of another, which is removed.

    Args:
        finished: on the same disk as the target.
        target: existing or not.

    Raises:
        OSError: the system refuses; the earlier folder is then back, or comes back with the next
            writer.
    """
    if not target.exists():
        os.replace(finished, target)
        return
    retired = _beside(target, "old")
    try:
        handle = lock(target)
    except BlockingIOError:  # by a process that is at work in it
        handle = None
    try:
        os.replace(target, retired)
        try:
            os.replace(finished, target)
        except OSError:
            os.replace(retired, target)
            raise
    finally:
        unlock(handle)
    shutil.rmtree(retired, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that nobody ever sees half of it.

    Args:
        folder: existing or not; what cannot be removed is left under its new name.
    """
    doomed = _beside(folder, "removed")
    try:
        os.replace(folder, doomed)
    except FileNotFoundError:
        return
    except OSError:  # it may not be renamed, but perhaps emptied
        doomed = folder
    shutil.rmtree(doomed, ignore_errors=True)


def remove_leftovers(folder: Path, *, alone: bool = False) -> None:
    """Remove what killed processes left; a folder that was being replaced comes back.

    Args:
        folder: where they wrote; nothing in its subfolders is touched.
        alone: whether nobody else writes there. Without it what a living process holds stays.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(".")]
    except OSError:
        return
    for name in sorted(names):
        if match := _NAME.fullmatch(name):
            _remove_if_left(folder / name, folder / match["name"], match["kind"], alone)


def _remove_if_left(path: Path, target: Path, kind: str, alone: bool) -> None:
    try:
        handle = lock(path)
    except OSError:
        if not alone:
            return
        handle = None
    try:
        if not alone and handle is None and not _is_untouched(path):
            return
        if kind == "old" and not target.exists():
            os.replace(path, target)
        else:
            _remove(path)
    finally:
        unlock(handle)


def remove_leftovers_once(folder: Path) -> None:
    """Call `remove_leftovers`, but once in a process: a folder may hold a million files."""
    with _seen_lock:
        if (key := os.path.abspath(folder)) in _seen:
            return
        _seen.add(key)
    remove_leftovers(folder)


def lock(path: Path) -> int | None:
    """Hold a file or folder for as long as this process lives, or until `unlock`.

    Args:
        path: existing.

    Returns:
        What `unlock` takes; None where the system has no such locks.

    Raises:
        BlockingIOError: somebody else holds it.
        FileNotFoundError: it has gone.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:  # a file system without locks
        os.close(handle)
        return None
    return handle


def unlock(handle: int | None) -> None:
    """Let go of what `lock` holds."""
    if handle is not None:
        import fcntl

        # Children that were forked hold the same lock; closing alone would leave it to them.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _beside(target: Path, kind: str, ending: str = "") -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.{kind}{ending}")


def _is_untouched(path: Path) -> bool:
    """Whether nobody has written there for a day."""
    files = [path, *(Path(parent, each) for parent, _, names in os.walk(path) for each in names)]
    try:
        return time.time() - max(file.stat().st_mtime for file in files) > UNTOUCHED_SECONDS
    except FileNotFoundError:  # its writer has just renamed it
        return False
