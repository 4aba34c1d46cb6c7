"""Where each line of a large manifest begins: read once, kept on disk, mapped by every process.

The first opening of a manifest reads all of it, over all cores, and writes an index of 16 bytes a
line into the user's cache folder (`$XDG_CACHE_HOME/whisper-finetune/manifests`, `~/.cache` where
the variable is not set). Every later opening, and every other process, maps that file: it costs no
memory of its own. An index belongs to one state of one file, told by its size, time of change and
both ends; the folder can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from filelock import FileLock

from utils.cli.errors import UserError
from utils.cli.files import atomic_write, cache_folder, sha256_file, writable_folder
from utils.cli.garbage import garbage_collection_paused
from utils.cli.progress import progress
from utils.manifest.compressed import is_compressed
from utils.manifest.duplicates import hash64, open_array
from utils.manifest.json_lines import (
    BLANK,
    BOM,
    Unreadable,
    damage_told,
    expect_text,
    open_lines,
    parse_line,
    split_lines,
)
from utils.manifest.utterance import Utterance
from utils.parallel.pool import in_order

# A part is what one process reads at a time.
PART_BYTES = 16 << 20
# Below so many parts, starting processes costs more than it saves.
FEW_PARTS = 8
MOST_WORKERS = 32
_END_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20
_FORM = 1

Numbered = tuple[int, str]


class Part(NamedTuple):
    """Whole lines of a file: where they begin, how many bytes, the number of the first."""

    begin: int
    size: int
    first_line: int


class ReadPart(NamedTuple):
    """What a part holds.

    `entries`, uint64 (n, 2), has the place in bytes and the number of each line that can be used;
    `ids`, uint64 (n,), a hash of its id.
    """

    entries: np.ndarray
    ids: np.ndarray
    broken: list[Numbered]
    blank_lines: int


@dataclass(frozen=True)
class LineIndex:
    """The index of one manifest.

    Attributes:
        folder: where it is kept.
        source: the file with the lines: the manifest, or its unpacked copy.
        size: bytes of `source`.
        changed: its time of change in ns.
        sha256: of the manifest as it lies on disk.
        blank_lines: how many.
        broken: number and complaint of each line that cannot be used.
    """

    folder: Path
    source: Path
    size: int
    changed: int
    sha256: str
    blank_lines: int
    broken: Sequence[Numbered]

    def entries(self) -> np.ndarray:
        """Map place and number of each usable line, uint64 (N, 2)."""
        return open_array(self.folder / "entries", np.dtype(np.uint64)).reshape(-1, 2)

    def ids(self) -> np.ndarray:
        """Map a hash of each usable line's id, uint64 (N,)."""
        return open_array(self.folder / "ids", np.dtype(np.uint64))


def utterance_of(value: Any, manifest: Path, number: int) -> Utterance:
    """Return the utterance of a line.

    Args:
        value: of the line, as `parse_line` gave it; not `BLANK`.
        manifest: the name of its file, and the line's number, name an utterance that has no id.
        number: of the line.

    Raises:
        ValueError: the line cannot be used.
    """
    if type(value) is Unreadable:
        raise value.error
    return Utterance.from_json(value, default_id=f"{manifest.name.split('.')[0]}-{number:06d}")


def index_lines(path: Path) -> LineIndex:
    """Open the index of a manifest, and make it where there is none.

    Of several processes that ask at once, one makes it and the others wait.

    Raises:
        UserError: the file is no text in UTF-8, its compression is damaged, or it is being written.
    """
    cache = writable_folder(cache_folder() / "manifests")
    place = hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:16]
    state = _state_of(path)
    folder = cache / f"{place}-{state}"
    with FileLock(cache / f"{place}.lock"):
        found = _open(folder)
        if found is None:
            for old in cache.glob(f"{place}-*"):
                shutil.rmtree(old, ignore_errors=True)
            folder.mkdir()
            try:
                _make(path, folder)
            except BaseException:  # an unpacked copy may be large
                shutil.rmtree(folder, ignore_errors=True)
                raise
            found = _open(folder)
    if found is None or _state_of(path) != state:
        raise changed(path)
    return found


def _state_of(path: Path) -> str:
    """Return what tells one state of a file from another: size, time of change, both ends."""
    status = path.stat()
    digest = hashlib.sha256(f"{_FORM} {status.st_size} {status.st_mtime_ns} ".encode())
    with open(path, "rb") as file:
        digest.update(file.read(_END_BYTES))
        file.seek(max(0, status.st_size - _END_BYTES))
        digest.update(file.read(_END_BYTES))
    return digest.hexdigest()[:16]


def _open(folder: Path) -> LineIndex | None:
    """Open a finished index; None where there is none."""
    try:
        facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    source = Path(facts.pop("source"))
    try:
        status = source.stat()
    except OSError:
        return None
    if (status.st_size, status.st_mtime_ns) != (facts["size"], facts["changed"]):
        return None
    return LineIndex(folder, source, **facts)


def _make(path: Path, folder: Path) -> None:
    """Read all of a manifest, and write its index."""
    packed = is_compressed(path)
    source = folder / "lines.jsonl" if packed else Path(os.path.abspath(path))
    digest = hashlib.sha256()
    broken: list[Numbered] = []
    blank_lines = 0
    total = -(-path.stat().st_size // PART_BYTES)
    workers = min(MOST_WORKERS, os.cpu_count() or 1) if total >= FEW_PARTS else 0
    parts = _unpacked(path, source) if packed else _parts(path, digest)
    read = in_order(partial(read_part, source, path), parts, workers)
    bar = progress(read, total=None if packed else total, desc=f"reading {path}", unit="part")
    with open(folder / "entries", "wb") as entries, open(folder / "ids", "wb") as ids:
        for part in bar:
            part.entries.tofile(entries)
            part.ids.tofile(ids)
            broken += part.broken
            blank_lines += part.blank_lines
    status = source.stat()
    facts: dict[str, Any] = {
        "source": str(source),
        "size": status.st_size,
        "changed": status.st_mtime_ns,
        "sha256": sha256_file(path) if packed else digest.hexdigest(),
        "blank_lines": blank_lines,
        "broken": broken,
    }
    with atomic_write(folder / "index.json") as file:
        json.dump(facts, file, ensure_ascii=False)


def _parts(path: Path, digest: Any) -> Iterator[Part]:
    """Cut a file into parts of whole lines, and feed all of it to `digest`."""
    with open(path, "rb") as file:
        yield from _cut(path, file, digest.update)


def _unpacked(path: Path, target: Path) -> Iterator[Part]:
    """Unpack a compressed file into `target`, and cut that into parts."""
    with damage_told(path), open_lines(path) as file, open(target, "wb") as copy:

        def keep(block: bytes) -> None:
            copy.write(block)
            copy.flush()  # who reads the part opens the file itself

        yield from _cut(path, file, keep)


def _cut(path: Path, file: BinaryIO, keep: Any) -> Iterator[Part]:
    begin, size, line = 0, 0, 1
    number_of_lines = 0
    first = True
    while block := file.read(PART_BYTES):
        if first:
            expect_text(path, block.split(b"\n", 1)[0])
            first = False
        keep(block)
        last = block.rfind(b"\n") + 1
        if last:
            yield Part(begin, size + last, line)
            line += number_of_lines + block.count(b"\n")
            begin, size, number_of_lines = begin + size + last, len(block) - last, 0
        else:
            size += len(block)
    if size:
        yield Part(begin, size, line)


def read_part(source: Path, manifest: Path, part: Part) -> ReadPart:
    """Read the lines of a part as `scan_manifest` reads them.

    Args:
        source: the file with the lines.
        manifest: whose lines they are; it names what has no id.
        part: which lines.
    """
    entries, ids = array("Q"), array("Q")
    broken: list[Numbered] = []
    blank_lines = 0
    place, end = part.begin, part.begin + part.size
    with open(source, "rb", _BUFFER_BYTES) as file, garbage_collection_paused():
        file.seek(place)
        lines = split_lines(file)
        for number in count(part.first_line):
            if place >= end:
                break
            line, size = next(lines, (b"", end - place))  # a file may be cut short meanwhile
            begin, place = place, place + size
            if not begin and line.startswith(BOM):
                begin, line = len(BOM), line.removeprefix(BOM)
            value = BLANK if not line else parse_line(line)
            if value is BLANK:
                blank_lines += 1
                continue
            try:
                utterance = utterance_of(value, manifest, number)
            except ValueError as error:
                broken.append((number, str(error)))
                continue
            entries.extend((begin, number))
            ids.append(hash64(utterance.id))
    pairs = np.array(entries, dtype=np.uint64).reshape(-1, 2)
    return ReadPart(pairs, np.array(ids, dtype=np.uint64), broken, blank_lines)


def changed(path: Path) -> UserError:
    """Return the error for a manifest that changed while it was in use."""
    return UserError(
        f"{path} was changed while it was in use", "let it be as it is, and run it again"
    )
