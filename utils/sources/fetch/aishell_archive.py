"""AISHELL-1's archive: downloaded, and unpacked by several at a time, some on other machines.

A run that was cut off goes on where it was. What the user brought is only read.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.progress import progress
from utils.parallel.shards import WHOLE, Shard
from utils.sources.fetch.archives import naming_damage, regular_members, write_once
from utils.sources.fetch.download import RemoteFile, download

ARCHIVE = RemoteFile(
    url="https://www.openslr.org/resources/33/data_aishell.tgz",
    md5="2f494334227864a8a8fec932999db9d8",
    what="AISHELL-1 (15.6 GB)",
)
ARCHIVE_NAME = "data_aishell.tgz"
LARGEST_SPEAKER = 1 << 30  # bytes; the published ones have 40 MB
SPLITS = ("train", "dev", "test")
TRANSCRIPT = "transcript/aishell_transcript_v0.8.txt"

# Unpacked into <target>/data_aishell, beside what was unpacked:
_COMPLETED = ".completed"  # names the archive of which everything was unpacked
_FINISHED = ".finished_speakers"  # names the archive, then each speaker as it is finished

_SPEAKER_ARCHIVE = re.compile(r"\w+\.(tar\.gz|tgz|tar)")


def download_aishell(target_dir: Path) -> Path:
    """Download the archive into `target_dir`, or go on with a download that was cut off.

    Returns:
        The archive; or the folder unpacked from it, where that is complete and the archive was
        removed since.

    Raises:
        Failure: it cannot be downloaded; the message says what to fetch and where to put it.
    """
    archive = target_dir / ARCHIVE_NAME
    mark = target_dir / "data_aishell" / _COMPLETED
    if not archive.exists() and mark.exists() and mark.read_text("utf-8").startswith(ARCHIVE_NAME):
        return mark.parent
    return download(ARCHIVE, archive)


def unpack_aishell(
    source: Path, target_dir: Path, num_workers: int = 1, shard: Shard = WHOLE
) -> list[Path]:
    """Unpack what is packed.

    Args:
        source: the archive, or a folder unpacked from it; only read.
        target_dir: gets `data_aishell/` where something has to be unpacked.
        num_workers: how many speakers are unpacked at a time.
        shard: the part of the speakers that is unpacked.

    Returns:
        The folders, laid out like `data_aishell/`, that hold the corpus together.

    Raises:
        UserError: the source is missing, is not AISHELL-1, is damaged or unsafe.
    """
    target = target_dir / "data_aishell"
    if source.is_file():
        origin = f"{source.name} {source.stat().st_size}"
        packed = _outer_archive(source, target)
        _unpack_all(source, packed, target, origin, num_workers=num_workers, shard=shard)
        if not (target / TRANSCRIPT).exists():
            raise _not_aishell(source, f"no {TRANSCRIPT}")
        return [target]
    if not source.exists():
        raise UserError(
            f"there is no {source}",
            f"{ARCHIVE.url} is the archive; without --filepath it is fetched",
        )
    folder = source / "data_aishell" if (source / "data_aishell").is_dir() else source
    if not (folder / TRANSCRIPT).is_file():
        raise _not_aishell(source, f"no {folder / TRANSCRIPT}")
    archives = sorted((folder / "wav").glob("*.tar.gz"))
    if not archives:
        return [folder]
    origin = f"{folder.resolve()} {sum(path.stat().st_size for path in archives)}"
    speakers = ((path.name, path) for path in archives)
    _unpack_all(source, speakers, target, origin, num_workers=num_workers, shard=shard)
    return [target, folder]


def _unpack_all(
    source: Path,
    speakers: Iterable[tuple[str, Path | IO[bytes]]],
    target: Path,
    origin: str,
    *,
    num_workers: int,
    shard: Shard,
) -> None:
    """Unpack speakers' archives that were not unpacked from the same origin before."""
    whole, completed = target / _COMPLETED, target / f"{_COMPLETED}{shard.suffix}"
    finished_file = target / f"{_FINISHED}{shard.suffix}"
    if any(
        each.exists() and each.read_text("utf-8").strip() == origin for each in (whole, completed)
    ):
        return
    finished = finished_file.read_text("utf-8").splitlines() if finished_file.exists() else []
    if finished[:1] != [origin]:
        finished = [origin]
        with atomic_write(finished_file) as file:
            file.write(f"{origin}\n")
    found = False
    pool = ThreadPoolExecutor(num_workers)  # unpacking and writing leave the interpreter to others
    try:
        waiting: deque[tuple[str, Future[None]]] = deque()
        for name, content in progress(speakers, desc="unpacking", unit="speaker"):
            found = True
            if name in finished or not shard.has(name.split(".")[0]):
                continue
            if not isinstance(content, Path):
                with naming_damage(str(source)):
                    content = io.BytesIO(content.read())
            archive = f"{source}: {name}"
            waiting.append((name, pool.submit(_unpack_speaker, archive, content, target / "wav")))
            while len(waiting) > num_workers:  # a speaker's archive has 40 MB
                _finish(waiting, finished_file)
        while waiting:
            _finish(waiting, finished_file)
    finally:
        pool.shutdown(cancel_futures=True)
    if not found:
        raise _not_aishell(source, "no archives wav/<speaker>.tar.gz")
    with atomic_write(completed) as file:
        file.write(f"{origin}\n")


def _finish(waiting: deque[tuple[str, Future[None]]], finished_file: Path) -> None:
    """Wait for the speaker that was begun first, and mark it as finished."""
    name, unpacked = waiting.popleft()
    unpacked.result()
    with open(finished_file, "a", encoding="utf-8") as file:
        file.write(f"{name}\n")


def _outer_archive(source: Path, target: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield each speaker's archive in the outer one; the transcript is unpacked on the way."""
    with naming_damage(str(source)):
        for name, size, content in regular_members(str(source), source):
            if name.parts[-2:] == tuple(TRANSCRIPT.split("/")):
                write_once(str(source), content, size, target / TRANSCRIPT)
            elif name.parts[-2:-1] == ("wav",) and _SPEAKER_ARCHIVE.fullmatch(name.name):
                if size > LARGEST_SPEAKER:  # it is held in memory
                    raise _not_aishell(source, f"a speaker of {size} bytes")
                yield name.name, content


def _unpack_speaker(archive: str, content: Path | IO[bytes], wav_folder: Path) -> None:
    """Unpack train/S0002/*.wav of one speaker; other files have no use here."""
    with naming_damage(archive):
        for name, size, sound in regular_members(archive, content):
            split, speaker, file_name = ("", "", *name.parts)[-3:]
            # Names with a dot in front are what macOS leaves beside files.
            if split not in SPLITS or file_name[:1] == "." or not file_name.endswith(".wav"):
                continue
            write_once(archive, sound, size, wav_folder / split / speaker / file_name)


def _not_aishell(source: Path, problem: str) -> UserError:
    return UserError(
        f"{source} is not AISHELL-1: {problem} found",
        "give data_aishell.tgz as published, or the folder that it unpacks to",
    )
