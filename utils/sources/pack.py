"""Many sound files -> few uncompressed tars, and a manifest that names their byte ranges.

For storage that is slow with small files. Nothing is unpacked to be read: a line has
`{"path": "shard-000.tar", "offset": 1024, "size": 31234}`. The same manifest and files give the
same bytes; a tar appears when it is whole, and one that is there is kept if it holds what the
plan says.
"""

from __future__ import annotations

import os
import re
import tarfile
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError, expect_content
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.progress import progress
from utils.manifest.file_shards import files_of
from utils.manifest.read import Manifest, read_manifest
from utils.manifest.utterance import Utterance
from utils.manifest.write import write_manifest
from utils.parallel.ray_data import ray_map
from utils.parallel.shards import Shard, parse_shard
from utils.sources.prepare import Prepared, nothing_left, write_left_out
from utils.sources.source_data import LeftOut

MOST_WORKERS = 8
_NOT_HERE = -1
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True, kw_only=True)
class PackSettings:
    """Pack a manifest's files into a few uncompressed tars, which are read without unpacking."""

    path: str
    """The manifest."""
    output_dir: str = "dataset/packed/"
    """Folder for the tars and the manifest that names them."""
    shard_size: str = "1GB"
    """Largest size of a tar: a number of bytes, or one with KB, MB or GB."""
    shard: str | None = None
    """Pack only this part of the files, such as 2/8; `custom.py manifest` joins the manifests."""
    num_workers: int | None = None
    """Tars written at a time. None takes one for each core, at most 8."""
    engine: Literal["local", "ray"] = "local"
    """Where tars are written: on this machine (local), or with Ray Data (ray, which is an extra;
    see docs/data.md)."""


class _File(NamedTuple):
    """A whole sound file, or a member of another tar."""

    path: str
    offset: int
    size: int


class _Tar(NamedTuple):
    """A tar to be written, and what goes into it."""

    path: Path
    members: list[_File]


def pack(settings: PackSettings) -> Prepared:
    """Pack the files of a manifest.

    Returns:
        What was written, and the lines whose files cannot be read.

    Raises:
        UserError: the manifest or a flag cannot be used, or no file is there.
    """
    most, shard = parse_size(settings.shard_size), parse_shard(settings.shard)
    folder, source = Path(settings.output_dir), Path(settings.path)
    target = shard.named(folder / source.name)
    if target.resolve() == source.resolve():
        raise UserError(f"{target} is the manifest itself", "name another --output_dir")
    manifest = read_manifest(source)
    files, numbers, left_out = _files(manifest, shard)
    if not files and shard.count == 1:
        raise nothing_left(left_out)
    tars = [
        _Tar(shard.named(folder / f"shard-{number:03d}.tar"), members)
        for number, members in enumerate(_tars(files, most))
    ]
    places = [
        AudioRef(tar.path.name, offset=offset, size=member.size)
        for tar, offsets in zip(tars, _write_all(tars, settings), strict=True)
        for member, offset in zip(tar.members, offsets, strict=True)
    ]
    listed = shard.named(folder / "pack_left_out.jsonl")
    write_left_out(listed, left_out)
    if not files:  # the other parts may hold some
        return Prepared({}, {}, {}, left_out, listed)
    seconds = 0.0

    def packed() -> Iterator[Utterance]:
        nonlocal seconds
        for each, number in zip(manifest, numbers, strict=True):
            if number >= 0:
                seconds += each.duration or 0.0
                yield _placed(each, places[number])

    count = write_manifest(target, packed())
    return Prepared({"packed": target}, {"packed": count}, {"packed": seconds}, left_out, listed)


def parse_size(text: str) -> int:
    """Read a number of bytes: "500MB" -> 500000000.

    Raises:
        UserError: it is none, or 0.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip().upper())
    size = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if not size:
        raise UserError(f"--shard_size={text} is no size", "write 500MB or 1GB")
    return size


def _files(manifest: Manifest, shard: Shard) -> tuple[list[_File], array[int], list[LeftOut]]:
    """Return the files of a manifest, and which of them each line is in.

    Journal grows with the files, not with the lines, which are 8 bytes each.

    Args:
        manifest: of any size.
        shard: a part in which no file of another part is.

    Returns:
        The files in the order of the lines; for each line the number of its file, -1 for one that
        is in another part or that is left out; the lines whose file is not there.
    """
    mine = None if shard.count == 1 else files_of(manifest, shard)
    known: dict[tuple[str, int | None, int | None], int | AudioError] = {}
    files: dict[_File, int] = {}
    numbers = array("q")
    left_out: list[LeftOut] = []
    for each in progress(manifest, total=len(manifest), desc="looking at files", unit="utt"):
        audio = each.audio
        if mine is not None and (audio.path, audio.offset) not in mine:
            numbers.append(_NOT_HERE)
            continue
        key = (audio.path, audio.offset, audio.size)
        if key not in known:
            known[key] = _number(audio, files)
        found = known[key]
        if isinstance(found, AudioError):
            left_out.append(LeftOut(each.id, f"{found.kind} audio: {found.message}"))
            found = _NOT_HERE
        numbers.append(found)
    return list(files), numbers, left_out


def _number(audio: AudioRef, files: dict[_File, int]) -> int | AudioError:
    """Return the number of a sound's file, a new one for a new file."""
    try:
        size = expect_content(audio)
    except AudioError as error:
        return error
    return files.setdefault(_File(audio.path, audio.offset or 0, audio.size or size), len(files))


def _tars(files: Sequence[_File], most: int) -> Iterator[list[_File]]:
    """Yield the files of each tar."""
    members: list[_File] = []
    total = 0
    for each in files:
        taken = tarfile.BLOCKSIZE * (1 + -(-each.size // tarfile.BLOCKSIZE))
        if members and total + taken > most:
            yield members
            members, total = [], 0
        members.append(each)
        total += taken
    if members:
        yield members


def _name(number: int, file: _File) -> str:
    """Name a member by its place: a name of any script and length would need extra headers."""
    ending = Path(file.path).suffix if re.fullmatch(r"\.\w{1,8}", Path(file.path).suffix) else ""
    return f"{number:09d}{ending if ending.isascii() and not _is_tar(file) else ''}"


def _is_tar(file: _File) -> bool:
    return file.path.endswith(".tar")


def _write_all(tars: Sequence[_Tar], settings: PackSettings) -> Iterator[list[int]]:
    """Write tars that are not there yet; yield where the contents begin, tar by tar."""
    workers = settings.num_workers
    if workers is None:
        workers = min(MOST_WORKERS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(max(1, workers))
    written: Iterator[list[int]]
    try:
        if settings.engine == "ray":
            written = ray_map(_finished, tars, workers)
        else:
            written = pool.map(_finished, tars)
        yield from progress(written, total=len(tars), desc="packing", unit="tar")
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the tars that are begun, no more


def _finished(tar: _Tar) -> list[int]:
    return _offsets(tar.path, tar.members) or _write(tar.path, tar.members)


def _write(path: Path, members: Sequence[_File]) -> list[int]:
    """Write a tar and return where each member's content begins."""
    offsets = []
    with (
        atomic_write(path, "wb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for number, member in enumerate(members):
            info = tarfile.TarInfo(_name(number, member))
            info.size = member.size
            offsets.append(tar.offset + tarfile.BLOCKSIZE)
            with open(member.path, "rb") as content:
                content.seek(member.offset)
                tar.addfile(info, content)
    return offsets


def _offsets(path: Path, members: Sequence[_File]) -> list[int] | None:
    """Return where the contents begin in a tar that an earlier run finished; None without one."""
    if not path.is_file():
        return None
    planned = [(_name(number, each), each.size) for number, each in enumerate(members)]
    try:
        with tarfile.open(path, "r:") as tar:
            there = tar.getmembers()
    except tarfile.TarError:
        return None
    newer = any(path.stat().st_mtime_ns < Path(each.path).stat().st_mtime_ns for each in members)
    if newer or [(each.name, each.size) for each in there] != planned:
        return None
    return [each.offset_data for each in there]


def _placed(utterance: Utterance, place: AudioRef) -> Utterance:
    audio = replace(utterance.audio, path=place.path, offset=place.offset, size=place.size)
    return replace(utterance, audio=audio)
