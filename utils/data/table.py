"""Rows of a training table: columns on disk, written as they are made, mapped by all who read them.

A row holds what is asked for again and again as a value of its own, so that no later step parses
text or runs the tokenizer to answer: lengths, labels, group, times. The utterance itself stands
beside them as JSON.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute

from utils.data.concat import PARTS
from utils.data.labels import LabelEncoder, Labels
from utils.manifest.read import Dropped
from utils.manifest.utterance import Utterance

ROWS_FILE, DROPPED_FILE = "rows.arrow", "dropped.jsonl"
_TOKENS = pyarrow.list_(pyarrow.int32())
_SCHEMA = pyarrow.schema(
    {
        "line": pyarrow.string(),
        "duration": pyarrow.float64(),
        "num_tokens": pyarrow.int64(),
        "decoder_input_ids": _TOKENS,
        "labels": _TOKENS,
        "is_silent": pyarrow.bool_(),
        "first_start": pyarrow.float64(),
        "language": pyarrow.string(),
        "source": pyarrow.string(),
        "speaker": pyarrow.string(),
        "task": pyarrow.string(),
        "is_prompted": pyarrow.bool_(),
    }
)
_TOKEN_COLUMNS = ("decoder_input_ids", "labels")
_ENCODING = b"encoding"
_ROWS_AT_ONCE = 1000


class Row(NamedTuple):
    """One example of a training table.

    Attributes:
        line: the utterance as JSON.
        duration: its seconds.
        num_tokens: its label tokens, T.
        decoder_input_ids: T of them, as of `Labels`.
        labels: T of them, likewise.
        is_silent: whether nothing is said in it.
        first_start: when its first sentence begins, in seconds, at the latest of all clips that are
            joined in it; None without times.
        language: code, if it states one.
        source: the corpus, if it states one.
        speaker: who speaks, if it states one.
        task: what is to be done, if it states it.
        is_prompted: whether it has a text that came before.
    """

    line: str
    duration: float
    num_tokens: int
    decoder_input_ids: Sequence[int]
    labels: Sequence[int]
    is_silent: bool
    first_start: float | None
    language: str | None
    source: str | None
    speaker: str | None
    task: str | None
    is_prompted: bool

    @classmethod
    def of(cls, utterance: Utterance, seconds: float, labels: Labels) -> Row:
        """Return the row of an utterance."""
        own = [utterance.sentences[0].start] if utterance.sentences else []
        # Any of the clips that are joined may come first.
        parts = [part.get("sentences") for part in utterance.extra.get(PARTS, ())]
        starts = [*own, *(float(sentences[0]["start"]) for sentences in parts if sentences)]
        return cls(
            json.dumps(utterance.to_json(), ensure_ascii=False),
            seconds,
            len(labels),
            labels.decoder_input_ids,
            labels.labels,
            not utterance.sentence,
            max(starts, default=None),
            utterance.language,
            utterance.source,
            utterance.speaker,
            utterance.task,
            utterance.prompt is not None,
        )


def utterance_of(line: str) -> Utterance:
    """Return the utterance whose JSON stands in a row."""
    return Utterance.from_json(json.loads(line), default_id="")


class Rows:
    """Rows that lie in files; a copy for another process is as small as their names.

    Args:
        files: that a `RowFile` wrote, in their order.
        places: int64 `(rows,)`, which of their rows, in this order; None for all.

    Attributes:
        encodings: signatures of the encoders that made the labels.
    """

    def __init__(self, files: Sequence[Path], places: np.ndarray | None = None) -> None:
        self.files = tuple(files)
        self.places = places
        parts = [pyarrow.ipc.open_stream(pyarrow.memory_map(str(file))) for file in self.files]
        self.encodings = {
            (part.schema.metadata or {}).get(_ENCODING, b"").decode() for part in parts
        }
        tables = [part.read_all().replace_schema_metadata() for part in parts]
        self._table = pyarrow.concat_tables(tables)
        self._columns = {name: self._table.column(name) for name in Row._fields}

    def __len__(self) -> int:
        return self._table.num_rows if self.places is None else len(self.places)

    def __getitem__(self, index: int) -> Row:
        return Row(*(self.value(name, index) for name in Row._fields))

    def value(self, name: str, index: int) -> Any:
        """Return what a column holds for a row; tokens as int32 `(T,)`."""
        place = index if self.places is None else int(self.places[index])
        found = self._columns[name][place]
        return found.values.to_numpy() if name in _TOKEN_COLUMNS else found.as_py()

    def __reduce__(self) -> Any:
        return Rows, (self.files, self.places)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of numbers or truth values, `(rows,)`, as it is stored."""
        column: np.ndarray = self._table.column(name).to_numpy()
        return column if self.places is None else column[self.places]

    def largest(self, name: str) -> Any:
        """Return the largest value of a column; None where no row has one."""
        column = self._columns[name]
        if self.places is not None:
            column = column.take(pyarrow.array(self.places))
        return pyarrow.compute.max(column).as_py()

    def values(self, name: str) -> Iterator[Any]:
        """Yield the values of a column, None where there is none."""
        column = self._columns[name]
        if self.places is None:
            for chunk in column.chunks:
                yield from chunk.to_pylist()
            return
        for start in range(0, len(self.places), _ROWS_AT_ONCE):
            some = self.places[start : start + _ROWS_AT_ONCE]
            yield from column.take(pyarrow.array(some)).to_pylist()

    def kinds(self, *names: str) -> tuple[list[tuple[Any, ...]], np.ndarray]:
        """Return what occurs in some columns together, and which of it each row has.

        Returns:
            What occurs, in the order in which it does, and int64 `(rows,)`, its places.
        """
        found: dict[tuple[Any, ...], int] = {}
        places = array("q")
        for each in zip(*map(self.values, names), strict=True):
            places.append(found.setdefault(each, len(found)))
        return list(found), np.array(places, dtype=np.int64)

    def select(self, places: Sequence[int] | np.ndarray) -> Rows:
        """Return some rows, in the order in which their places are given; repeats are repeated."""
        chosen = np.asarray(places, dtype=np.int64)
        return Rows(self.files, chosen if self.places is None else self.places[chosen])

    def followed_by(self, others: Rows) -> Rows:
        """Return these rows and after them others'."""
        files = (*self.files, *others.files)
        if self.places is None and others.places is None:
            return Rows(files)
        before = self._table.num_rows
        return Rows(files, np.concatenate([self._all_places(), others._all_places() + before]))

    def _all_places(self) -> np.ndarray:
        return np.arange(len(self)) if self.places is None else self.places


class RowFile:
    """Writes rows, and what was left out, into a folder.

    Args:
        folder: an existing one.
        encoder: that made the labels.
    """

    def __init__(self, folder: Path, encoder: LabelEncoder) -> None:
        self._waiting: list[Row] = []
        self._file = pyarrow.OSFile(str(folder / ROWS_FILE), "wb")
        self._schema = _SCHEMA.with_metadata({_ENCODING: encoder.signature})
        self._writer = pyarrow.ipc.new_stream(self._file, self._schema)
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
                    schema=self._schema,
                )
            )
            self._waiting = []


def open_rows(folders: Sequence[Path]) -> Rows:
    """Map the rows that a `RowFile` wrote into each folder, one after another."""
    return Rows([folder / ROWS_FILE for folder in folders])


def read_dropped(folder: Path) -> list[Dropped]:
    """Read what a `RowFile` was told to leave out."""
    with open(folder / DROPPED_FILE, encoding="utf-8") as file:
        return [Dropped(*json.loads(line)) for line in file]
