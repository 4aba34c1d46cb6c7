"""Tar archives of unknown origin, read member by member and never outside of a folder.

Nothing is extracted by the name that the archive gives: callers look at each name and say where, if
anywhere, its content goes.
"""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from utils.cli.errors import UserError
from utils.cli.leftovers import unfinished
from utils.manifest.compressed import DAMAGED, unpacked

# What tarfile raises for content that is damaged or was cut off; ValueError is for numbers.
_DAMAGED = (tarfile.TarError, ValueError, *DAMAGED)


@contextmanager
def naming_damage(archive: str) -> Iterator[None]:
    """Turn what a damaged archive raises into an error that names it.

    Raises:
        UserError: the archive is no archive, is damaged, or was cut off.
    """
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            raise UserError(
                f"{archive} holds a name that this system cannot write: {error.filename!r}"[:300],
                "this is not the archive that its publisher made",
            ) from None
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the system: no permission, a full disk
        raise UserError(
            f"{archive} is no tar archive, is damaged, or was cut off: {error}",
            "download or copy it again; what was unpacked so far is kept",
        ) from None


def regular_members(
    archive: str, source: Path | IO[bytes]
) -> Iterator[tuple[PurePosixPath, int, IO[bytes]]]:
    """Read the files of a tar archive, compressed or not, one after another.

    Args:
        archive: what to call it in errors.
        source: its path, or an open file that is read from front to back.

    Yields:
        The member's path, its size in bytes, and its content, to be read before the next is asked
        for. Folders are left out.

    Raises:
        UserError: a member has an absolute path, a `..`, or is a link, a device or a file with
            holes, or the archive unpacks to hundreds of times its size: no corpus has such, so
            nothing more of this archive is read.
    """
    file = open(source, "rb") if isinstance(source, Path) else source  # noqa: SIM115
    with unpacked(archive, cast(BinaryIO, file)) as content, _as_tar(content) as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or "\\" in member.name:
                raise _unsafe(archive, member, "leads outside the folder")
            if member.isdir():
                continue
            if "\0" in member.name:
                raise _unsafe(archive, member, "has a zero byte in its name")
            if member.issparse():  # a terabyte of holes is a kilobyte of tar
                raise _unsafe(archive, member, "is a file with holes")
            found = tar.extractfile(member) if member.isreg() else None
            if found is None:
                raise _unsafe(archive, member, "is a link or a device, not a file")
            yield name, member.size, found
        while content.read(1 << 20):  # the checksum of what is compressed stands at its end
            pass


def _as_tar(content: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=content, mode="r|")


def write_once(archive: str, content: IO[bytes], size: int, path: Path) -> None:
    """Write a member's content to a file that appears only when it is whole.

    Args:
        archive: what to call the archive in errors.
        content: the member's content, of `size` bytes.
        size: see `content`.
        path: where to; a file that is there already is left alone.

    Raises:
        UserError: the file that is there has another size: it is not this member.
    """
    if path.exists():
        if path.stat().st_size != size:
            raise UserError(
                f"{path} has {path.stat().st_size} bytes, in {archive} it has {size}",
                "move it away, or unpack to another folder with --target_dir",
            )
        return
    with unfinished(path) as part:
        # Without fsync, unlike atomic_write: it would cost hours for 140,000 files, and a list of
        # what was finished stands beside them.
        with open(part, "wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        if part.stat().st_size != size:
            raise tarfile.ReadError(f"{path.name} ends too early")
        os.replace(part, path)


def _unsafe(archive: str, member: tarfile.TarInfo, problem: str) -> UserError:
    return UserError(
        f"{archive} holds {member.name!r}, which {problem}",
        "this is not the archive that its publisher made; nothing of that was unpacked",
    )
