"""Audio files as they were: size, time of change, and a digest of what they hold.

A table of labels and lengths, and a run that trains on it, belong to certain sounds. Whether a file
is still the same is seen from its size and time of change; where these differ, its content decides.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

STATE = np.dtype([("size", "<i8"), ("changed", "<i8"), ("digest", "<u8", 2)])
"""A file: bytes (ABSENT where there is no regular file), time of change in ns, 16 bytes of digest
(all 0 where none was made)."""
ABSENT = -1
# Files that together have more are not read whole, but in three places each.
WHOLE_BYTES = 512 << 20
BLOCK_BYTES = 4096
# Looking at files waits for the disk, or the network.
THREADS = 16
_AT_ONCE = 128
_IN_PLACES, _WHOLE = 1, 2

_SCHEMA = pyarrow.schema(
    {
        "path": pyarrow.string(),
        "is_used": pyarrow.bool_(),
        "size": pyarrow.int64(),
        "changed": pyarrow.int64(),
        "digest": pyarrow.binary(16),
    }
)


def states_of(paths: Sequence[str]) -> np.ndarray:
    """Look at files: `STATE` (N,), without digests."""
    found = np.zeros(len(paths), STATE)
    pairs = [pair for some in _in_threads(_stats, paths) for pair in some]
    if pairs:
        found["size"], found["changed"] = np.array(pairs, np.int64).T
    return found


def with_digests(paths: Sequence[str], states: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return states with the digests of some files.

    Args:
        paths: N of them.
        states: `STATE` (N,), as they are now.
        wanted: bool (N,), which files to read. They are read whole where all N together have at
            most `WHOLE_BYTES`.
    """
    is_whole = bool(np.maximum(states["size"], 0).sum() <= WHOLE_BYTES)
    places = np.flatnonzero(wanted & (states["size"] >= 0))
    asked = [(paths[place], int(states["size"][place]), is_whole) for place in places.tolist()]
    found = states.copy()
    digests = [digest for some in _in_threads(_digests, asked) for digest in some]
    if digests:
        found["digest"][places] = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
    return found


def digest_of(path: str, size: int, *, is_whole: bool) -> bytes:
    """Return 16 bytes that tell what a file holds; the first says whether all of it was read.

    Else its beginning, middle and end are: sound that was processed differs there too, and what was
    encoded anew has another size. It is all zeros where the file cannot be read.
    """
    is_whole = is_whole or size <= 3 * BLOCK_BYTES
    digest = hashlib.sha256(str(size).encode())
    try:
        with open(path, "rb", buffering=0) as file:
            if is_whole:
                while block := file.read(1 << 20):
                    digest.update(block)
            else:
                for place in (0, (size - BLOCK_BYTES) // 2, size - BLOCK_BYTES):
                    file.seek(place)
                    digest.update(file.read(BLOCK_BYTES))
    except OSError:
        return bytes(16)
    return bytes([_WHOLE if is_whole else _IN_PLACES]) + digest.digest()[:15]


def digest_like(path: str, other: np.ndarray) -> np.ndarray:
    """Return the digest of a file, uint64 (2,), made as another was: of all of it or not."""
    size, _ = _stat(path)
    is_whole = other.tobytes()[0] == _WHOLE
    return np.frombuffer(digest_of(path, size, is_whole=is_whole), "<u8")


@dataclass(frozen=True)
class Sounds:
    """The audio files of a table, as `write_sounds` wrote them, and further ones.

    Attributes:
        files: that `write_sounds` made, in their order.
        others: path and state of further audio files.
    """

    files: tuple[Path, ...] = ()
    others: tuple[tuple[list[str], np.ndarray], ...] = ()

    @classmethod
    def of(cls, paths: Sequence[str]) -> Sounds:
        """Look at some audio files, and read them."""
        states = states_of(paths)
        wanted = np.ones(len(paths), dtype=bool)
        return cls(others=((list(paths), with_digests(paths, states, wanted)),))

    def followed_by(self, others: Sounds) -> Sounds:
        """Return these and after them others."""
        return Sounds((*self.files, *others.files), (*self.others, *others.others))

    def used(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yield path and state, `STATE` (n,), of the files that are used, some at a time."""
        for file in self.files:
            paths, is_used, states = read_sounds(file)
            yield [paths[place] for place in np.flatnonzero(is_used)], states[is_used]
        yield from self.others

    def digests(self) -> np.ndarray:
        """Return the digests of the files that are used, uint64 (files, 2)."""
        found = [np.zeros((0, 2), "<u8")]
        for file in self.files:
            is_used, states = _states(_table(file))
            found.append(states["digest"][is_used])
        return np.concatenate([*found, *(states["digest"] for _, states in self.others)])


def write_sounds(
    path: Path, sounds: Sequence[str], is_used: np.ndarray, states: np.ndarray
) -> None:
    """Write the state of some audio files.

    Args:
        path: of the file that is written.
        sounds: the paths of N audio files.
        is_used: bool (N,), whether they are trained on.
        states: `STATE` (N,).
    """
    digests = pyarrow.py_buffer(np.ascontiguousarray(states["digest"]).tobytes())
    columns = [
        pyarrow.array(sounds, pyarrow.string()),
        pyarrow.array(is_used),
        pyarrow.array(states["size"]),
        pyarrow.array(states["changed"]),
        pyarrow.FixedSizeBinaryArray.from_buffers(pyarrow.binary(16), len(sounds), [None, digests]),
    ]
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, _SCHEMA) as writer:
        writer.write_batch(pyarrow.record_batch(columns, schema=_SCHEMA))


def read_sounds(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read what `write_sounds` wrote: paths, whether they are used, states."""
    table = _table(path)
    is_used, states = _states(table)
    return table.column("path").to_pylist(), is_used, states


def _table(path: Path) -> pyarrow.Table:
    return pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()


def _states(table: pyarrow.Table) -> tuple[np.ndarray, np.ndarray]:
    states = np.zeros(table.num_rows, STATE)
    for name in ("size", "changed"):
        states[name] = table.column(name).to_numpy()
    digests = b"".join(table.column("digest").to_pylist())
    states["digest"] = np.frombuffer(digests, "<u8").reshape(-1, 2)
    return table.column("is_used").to_numpy(), states


def unchanged(paths: Sequence[str], earlier: np.ndarray) -> bool:
    """Whether files have the size and the time of change that they had."""
    now = states_of(paths)
    return all(np.array_equal(now[name], earlier[name]) for name in ("size", "changed"))


def _in_threads(
    work: Callable[[Sequence[Any]], list[Any]], items: Sequence[Any]
) -> Iterable[list[Any]]:
    blocks = [items[first : first + _AT_ONCE] for first in range(0, len(items), _AT_ONCE)]
    if len(blocks) < 2:
        return map(work, blocks)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, blocks))


def _stats(paths: Sequence[str]) -> list[tuple[int, int]]:
    return [_stat(path) for path in paths]


def _stat(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a name may hold a zero byte
        return ABSENT, 0
    if not stat.S_ISREG(found.st_mode):
        return ABSENT, 0
    return found.st_size, found.st_mtime_ns


def _digests(asked: Sequence[tuple[str, int, bool]]) -> list[bytes]:
    return [digest_of(path, size, is_whole=is_whole) for path, size, is_whole in asked]
