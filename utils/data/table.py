"""Rows of a training table, written to disk as they are made and mapped by all who read them."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import datasets
import pyarrow
from filelock import FileLock, Timeout

from utils.cli.files import cache_folder, writable_folder
from utils.manifest.read import Dropped
from utils.manifest.utterance import Utterance

ROWS_FILE, DROPPED_FILE = "rows.arrow", "dropped.jsonl"
_SCHEMA = pyarrow.schema(
    {"line": pyarrow.string(), "duration": pyarrow.float64(), "num_tokens": pyarrow.int64()}
)
_ROWS_AT_ONCE = 1000


class Row(NamedTuple):
    """An utterance as JSON, its seconds and its label tokens."""

    line: str
    duration: float
    num_tokens: int

    @classmethod
    def of(cls, utterance: Utterance, seconds: float, num_tokens: int) -> Row:
        """Return the row of an utterance."""
        return cls(json.dumps(utterance.to_json(), ensure_ascii=False), seconds, num_tokens)


class RowFile:
    """Writes rows, and what was left out, into a folder.

    Args:
        folder: an existing one.
    """

    def __init__(self, folder: Path) -> None:
        self._waiting: list[Row] = []
        self._file = pyarrow.OSFile(str(folder / ROWS_FILE), "wb")
        self._writer = pyarrow.ipc.new_stream(self._file, _SCHEMA)
        self._dropped = open(folder / DROPPED_FILE, "w", encoding="utf-8")  # noqa: SIM115

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flush()
        self._writer.close()
        self._file.close()
        self._dropped.close()

    def add(self, row: Row) -> None:
        """Write a row."""
        self._waiting.append(row)
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._flush()

    def drop(self, dropped: Dropped) -> None:
        """Write what was left out and why."""
        self._dropped.write(json.dumps(dropped, ensure_ascii=False) + "\n")

    def _flush(self) -> None:
        if self._waiting:
            columns = [list(column) for column in zip(*self._waiting, strict=True)]
            self._writer.write_batch(
                pyarrow.record_batch(
                    [
                        pyarrow.array(column, each.type)
                        for column, each in zip(columns, _SCHEMA, strict=True)
                    ],
                    schema=_SCHEMA,
                )
            )
            self._waiting = []


def open_rows(folder: Path) -> datasets.Dataset:
    """Map the rows that a `RowFile` wrote."""
    return datasets.Dataset.from_file(str(folder / ROWS_FILE))


def read_dropped(folder: Path) -> list[Dropped]:
    """Read what a `RowFile` was told to leave out."""
    with open(folder / DROPPED_FILE, encoding="utf-8") as file:
        return [Dropped(*json.loads(line)) for line in file]


_IN_USE: list[FileLock] = []


def new_folder() -> Path:
    """Make a folder for rows, which goes when this process ends.

    A killed process leaves its folder, but no lock on it: it goes when another makes one.
    """
    parent = writable_folder(cache_folder() / "tables")
    for old in parent.glob("*.lock"):
        try:
            with FileLock(old, timeout=0):
                shutil.rmtree(old.with_suffix(""), ignore_errors=True)
                old.unlink(missing_ok=True)
        except (Timeout, OSError):
            continue
    folder = Path(tempfile.mkdtemp(dir=parent))
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    lock.acquire()
    _IN_USE.append(lock)
    atexit.register(_remove, folder, lock, os.getpid())
    return folder


def _remove(folder: Path, lock: FileLock, owner: int) -> None:
    if os.getpid() == owner:  # a process that was forked off has no say
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
