"""Which of many millions of things are alike, in memory that does not grow with their number.

A thing stands for itself by a hash of 64 bits (8 bytes a line, on disk). Two different things of
ten million have one hash with a probability of one in a million; who acts on it compares both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

NO_KEY = 0
"""Stands for a thing that is like nothing."""
BUCKET = 1 << 20
_BLOCK = 1 << 20


def hash64(text: str) -> int:
    """Return 64 bits that stand for a text, never `NO_KEY`; alike on every machine.

    >>> hash64("a") == hash64("a") != hash64("b")
    True
    """
    content = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") or 1


def repeated_places(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Find what has the hash of something earlier.

    Hashes are sorted a bucket of about a million at a time.

    Args:
        hashes: uint64 (N,), perhaps mapped from a file; those of `NO_KEY` are like nothing.

    Yields:
        Places, int64 (n,), and for each the first place with its hash, int64 (n,).
    """
    buckets = max(1, -(-len(hashes) // BUCKET))
    for bucket in range(buckets):
        keys, places = _of_bucket(hashes, bucket, buckets)
        if not len(keys):
            continue
        order = np.argsort(keys, kind="stable")
        keys, places = keys[order], places[order]
        is_first = np.concatenate([[True], keys[1:] != keys[:-1]])
        heads = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
        yield places[~is_first], places[heads[~is_first]]


def _of_bucket(hashes: np.ndarray, bucket: int, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of a bucket and their places."""
    keys, places = [], []
    for start in range(0, len(hashes), _BLOCK):
        block = np.asarray(hashes[start : start + _BLOCK])
        mine = np.flatnonzero((block % np.uint64(buckets) == bucket) & (block != NO_KEY))
        keys.append(block[mine])
        places.append(mine + start)
    if not keys:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    return np.concatenate(keys), np.concatenate(places)


def number_of_kinds(hashes: np.ndarray) -> int:
    """Return how many different hashes there are, `NO_KEY` aside."""
    blocks = range(0, len(hashes), _BLOCK)
    there = sum(np.count_nonzero(hashes[start : start + _BLOCK]) for start in blocks)
    return int(there) - sum(len(places) for places, _ in repeated_places(hashes))


def first_of_same(hashes: np.ndarray, path: Path) -> np.ndarray:
    """Return for each thing the first place that has its hash.

    Args:
        hashes: as of `repeated_places`.
        path: a file that will hold the answer.

    Returns:
        int64 (N,), mapped from `path`; what is like nothing earlier has its own place.
    """
    with open(path, "wb") as file:
        for start in range(0, len(hashes), _BLOCK):
            np.arange(start, min(start + _BLOCK, len(hashes)), dtype=np.int64).tofile(file)
    first = open_array(path, np.dtype(np.int64), writable=True)
    for places, earlier in repeated_places(hashes):
        first[places] = earlier
    return first


def open_array(path: Path, dtype: np.dtype, *, writable: bool = False) -> np.ndarray:
    """Map a file of plain numbers; an empty file, which no system maps, gives an empty array."""
    if not path.stat().st_size:
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r+" if writable else "r")
