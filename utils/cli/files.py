"""Files that are either whole or not there, and their fingerprints."""

from __future__ import annotations

import atexit
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Literal

from utils.cli.errors import DISK_FULL_CODES
from utils.cli.leftovers import is_own, remove_leftovers, unfinished

HASH_CHUNK_BYTES = 1 << 20

# Removed by Python at its end.
_FOLDERS_OF_THIS_RUN: list[tempfile.TemporaryDirectory[str]] = []


@contextmanager
def atomic_write(path: str | Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Open a file for writing that takes its place only when it is complete.

    The content is written beside the target and renamed over it at the end, so that a full
    disk, an error or Ctrl-C leaves the earlier file as it was.

    Args:
        path: The file to write; missing parent folders are made.
        mode: "w" for text (UTF-8, newlines as written) or "wb" for bytes.

    Yields:
        The open file.

    Raises:
        OSError: The folder cannot be written to, or the disk is full.
    """
    # A link is written through, not replaced: the user put it there for a reason.
    target = Path(os.path.realpath(path))
    text_options: dict[str, Any] = {"encoding": "utf-8", "newline": ""} if mode == "w" else {}
    # What is to be renamed as a whole needs no other name before that.
    with nullcontext(target) if is_own(target) else unfinished(target) as path:
        with naming(target), open(path, mode, **text_options) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        if path != target:
            os.replace(path, target)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add a file's name to the system's error that the disk is full: it names none by itself."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL_CODES and error.filename is None:
            error.filename = str(path)
        raise


def cache_folder() -> Path:
    """Return where the user's machine keeps what can be made again; it may not be there yet."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home, "whisper-finetune")


def writable_folder(folder: Path) -> Path:
    """Return a folder, or where it cannot be written to, one that lasts as long as this run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        if not _FOLDERS_OF_THIS_RUN:
            _FOLDERS_OF_THIS_RUN.append(tempfile.TemporaryDirectory(prefix="whisper-finetune-"))
        return Path(_FOLDERS_OF_THIS_RUN[0].name)


def scratch_folder(name: str) -> Path:
    """Make an empty folder in the user's cache, which goes when this process ends.

    A killed process leaves its folder: it goes when the next one asks for a folder of that name.

    Args:
        name: what it is for.

    Raises:
        OSError: nothing can be written anywhere.
    """
    parent = writable_folder(cache_folder() / name)
    remove_leftovers(parent)
    stack = ExitStack()
    folder = stack.enter_context(unfinished(parent / name, folder=True))
    owner = os.getpid()
    # A process that was forked off has no say.
    atexit.register(lambda: stack.close() if os.getpid() == owner else None)
    return folder


def sync_path(path: str | Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk.

    Args:
        path: A file or folder.

    Raises:
        OSError: The disk refuses.
    """
    if os.name == "nt":  # it syncs only what is open for writing, and opens no folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: str | Path) -> None:
    """Wait until a folder with all that is in it is on the disk.

    Args:
        folder: An existing folder.

    Raises:
        OSError: The disk refuses.
    """
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync_path(os.path.join(parent, name))
        sync_path(parent)


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits.

    Args:
        path: The file to read.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while chunk := handle.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
