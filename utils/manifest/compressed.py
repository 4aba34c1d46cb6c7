"""Compressed files of unknown origin, read without falling for one that unpacks to terabytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from utils.cli.errors import UserError

# What the decompressors raise for content that is damaged or was cut off.
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, OSError)

# Sound shrinks to a half, text to a tenth; zeros shrink to a thousandth and less.
MOST_TIMES = 200
# Below this a high ratio harms nobody.
ALLOWANCE_BYTES = 64 << 20
_BUFFER_BYTES = 1 << 18

_KINDS: dict[bytes, Callable[[BinaryIO], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_LONGEST_SIGN = max(map(len, _KINDS))


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, as its content says, not its name."""
    with open(path, "rb") as file:
        return file.read(_LONGEST_SIGN).startswith(tuple(_KINDS))


def unpacked(name: str, file: BinaryIO) -> BinaryIO:
    """Return the content of a file that may be compressed, which its first bytes tell.

    Args:
        name: what to call it in errors.
        file: open at its beginning, seekable; belongs to the answer from now on.

    Returns:
        The content, to be read from front to back. Reading raises `UserError` as soon as it has
        become over `MOST_TIMES` as large as the file, and one of `DAMAGED` where it is damaged.
    """
    head = file.read(_LONGEST_SIGN)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    for sign, opener in _KINDS.items():
        if head.startswith(sign):
            measured = _Measured(name, opener(file), file, size)
            return cast(BinaryIO, io.BufferedReader(measured, _BUFFER_BYTES))
    return file


def expect_honest_zip(path: Path) -> None:
    """Refuse a zip file, as tables are, that would unpack to hundreds of times its size.

    Raises:
        UserError: it does.
        zipfile.BadZipFile: it is none.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(each.file_size for each in archive.infolist())
    if size > max(ALLOWANCE_BYTES, MOST_TIMES * path.stat().st_size):
        raise _bomb(str(path))


def _bomb(name: str) -> UserError:
    return UserError(
        f"{name} unpacks to more than {MOST_TIMES} times its size: "
        "it is made to fill disks and memory",
        "speech and text do not shrink so far; do not use it",
    )


class _Measured(io.RawIOBase):
    """Counts what comes out of a decompressor."""

    def __init__(self, name: str, content: io.BufferedIOBase, file: BinaryIO, size: int) -> None:
        super().__init__()
        self._name, self._content, self._file = name, content, file
        self._most = max(ALLOWANCE_BYTES, MOST_TIMES * size)
        self._count = 0

    def readable(self) -> bool:
        """It is read, not written."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next; return how many bytes that are."""
        part = self._content.read(len(buffer))
        self._count += len(part)
        if self._count > self._most:
            raise _bomb(self._name)
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Close what is read."""
        self._content.close()
        self._file.close()
        super().close()
