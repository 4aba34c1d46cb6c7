"""Folders of tables in the user's cache, kept between runs.

They lie in `$XDG_CACHE_HOME/whisper-finetune/tables` (`~/.cache` where the variable is not set),
and can be deleted at any time. Those that were used last stay; what is more than `MOST_BYTES`, or
was not used for `MOST_DAYS`, is removed when a table is opened. What a process uses is never
removed.
"""

from __future__ import annotations

import atexit
import json
import os
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from utils.cli.files import cache_folder, writable_folder
from utils.cli.leftovers import exchange, remove_folder, unfinished

MOST_BYTES = 20 << 30
MOST_DAYS = 60
_CHECKSUMS = "checksums.json"
_BLOCK_BYTES = 1 << 20
_IN_USE: dict[Path, FileLock] = {}


def kept_folder(name: str) -> Path:
    """Return the folder of a table that is kept for later runs; made if need be."""
    return _held(_parent() / name)


@contextmanager
def new_part(place: Path) -> Iterator[Path]:
    """Make a folder that takes its place only when it is complete, with checksums of its files.

    Yields:
        Where its files are to be written. What was in its place goes.
    """
    with unfinished(place, folder=True) as part:
        yield part
        sums = {file.name: _checksum(file) for file in sorted(part.iterdir())}
        (part / _CHECKSUMS).write_text(json.dumps(sums), encoding="utf-8")
        try:
            exchange(part, place)
        except OSError:
            if not is_whole(place):  # another run has made the same meanwhile
                raise


def is_whole(place: Path) -> bool:
    """Whether a folder is as `new_part` left it."""
    try:
        sums = json.loads((place / _CHECKSUMS).read_text(encoding="utf-8"))
        return all(_checksum(place / name) == stated for name, stated in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def _checksum(file: Path) -> int:
    found = 0
    with open(file, "rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            found = zlib.crc32(block, found)
    return found


def _parent() -> Path:
    folder = writable_folder(cache_folder()) / "tables"
    folder.mkdir(exist_ok=True)
    return folder


def _held(folder: Path) -> Path:
    """Make a folder that no other process removes while this one lives; remove what is too much."""
    if folder in _IN_USE and Path(_IN_USE[folder].lock_file).exists():
        return folder
    # One process at a time: between making a folder and locking it, another would find it unused.
    with FileLock(folder.parent / ".making"):
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / f".used-{os.getpid()}-{uuid.uuid4().hex[:8]}.lock")
        lock.acquire()
        _IN_USE[folder] = lock
        os.utime(folder)
        _remove_unused(folder.parent)
    atexit.register(_release, lock, os.getpid())
    return folder


def _remove_unused(parent: Path) -> None:
    """Remove the oldest of too many tables; a name with a dot is of something unfinished."""
    found = [each for each in parent.iterdir() if each.is_dir() and not each.name.startswith(".")]
    found.sort(key=_time, reverse=True)
    size = 0
    oldest = time.time() - MOST_DAYS * 24 * 3600
    for folder in found:
        size += _size(folder)
        if (size > MOST_BYTES or _time(folder) < oldest) and not _is_used(folder):
            size -= _size(folder)
            remove_folder(folder)


def _is_used(folder: Path) -> bool:
    for file in folder.glob(".used-*.lock"):
        try:
            with FileLock(file, timeout=0):
                pass
        except Timeout:
            return True
        except OSError:
            continue
        file.unlink(missing_ok=True)
    return False


def _time(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _size(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.stat(os.path.join(parent, name)).st_size
            except OSError:  # its process has just ended
                continue
    return size


def _release(lock: FileLock, owner: int) -> None:
    if os.getpid() == owner:  # a process that was forked off has no say
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
