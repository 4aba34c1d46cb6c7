"""Utterances in a form that a page can hold by the hundred thousand.

Numbers stand in one array a column; texts in blocks of lines, gzipped, which the page unpacks in
the background and searches as they are. Both are written as base64 into elements that run nothing.

Lines of a block: for each utterance its id, its reference, and each model's hypothesis. A
hypothesis that equals its reference is written as `SAME`: it is stored and searched once.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.report.report_data import SetView

ROWS_IN_A_BLOCK = 4096
SAME = "\x01"
ABSENT = 65535  # in a column of errors: the model was not run on this utterance
_LEVEL = 5  # of gzip: 6 takes half as long again for 2 % less, 9 four times
_ONE_LINE = str.maketrans("\n\r", "  ", "\0")


@dataclass(frozen=True)
class Column:
    """Numbers of all utterances, as the page reads them.

    Attributes:
        kind: The page's array type, such as "Uint16".
        data: base64 of the gzipped little-endian numbers.
    """

    kind: str
    data: str

    def to_json(self) -> dict[str, str]:
        """The object that stands in the page."""
        return {"kind": self.kind, "data": self.data}


def pack(values: Sequence[Any] | NDArray[Any], kind: str) -> Column:
    """Pack a column.

    Args:
        values: The numbers; what passes a Uint16 is held at its largest value but one.
        kind: "Uint16" or "Float32".
    """
    if kind == "Uint16":
        array = np.minimum(np.asarray(values, dtype=np.int64), ABSENT).astype("<u2")
    else:
        array = np.asarray(values, dtype="<f4")
    return Column(kind, _packed(array.tobytes()))


def pack_labels(values: Sequence[str]) -> dict[str, Any]:
    """Pack labels as their different names, in order, and a number an utterance."""
    names = sorted(set(values), key=label_order)
    numbers = {name: number for number, name in enumerate(names)}
    return {"names": names, **pack([numbers[each] for each in values], "Uint16").to_json()}


def label_order(label: str) -> tuple[bool, float, str]:
    """Order labels by the number that they begin with, those without one after them by name.

    Example:
        >>> sorted(["10-20", "2-5", "li", "-12 to -6 dBFS"], key=label_order)
        ['-12 to -6 dBFS', '2-5', '10-20', 'li']
    """
    sign = -1.0 if label[:1] == "-" else 1.0
    digits = label.lstrip("-")
    end = next((i for i, c in enumerate(digits) if not (c.isascii() and c.isdigit())), len(digits))
    return end == 0, sign * float(digits[:end] or 0), label


def error_columns(sets: Sequence[SetView], models: Sequence[str]) -> list[Column]:
    """Pack each model's errors in all utterances; `ABSENT` where it was not run."""
    columns = []
    for model in models:
        parts = [
            np.minimum(view.scores[model].errors, ABSENT - 1)
            if model in view.scores
            else np.full(len(view.ids), ABSENT)
            for view in sets
        ]
        columns.append(pack(np.concatenate([np.zeros(0, dtype=np.int64), *parts]), "Uint16"))
    return columns


def text_blocks(sets: Sequence[SetView], models: Sequence[str], *, raw: bool) -> Iterator[str]:
    """Yield the blocks of text, packed.

    Args:
        sets: The test sets, one after another.
        models: In the order of the lines.
        raw: The texts as they came, instead of the normalised ones.
    """
    # Compressing lets other threads work; it is most of what is left to do.
    with ThreadPoolExecutor() as threads:
        yield from threads.map(_packed, _blocks(sets, models, raw))


def _blocks(sets: Sequence[SetView], models: Sequence[str], raw: bool) -> Iterator[bytes]:
    """Yield the blocks' content: `ROWS_IN_A_BLOCK` utterances each, across the test sets."""
    lines: list[str] = []
    room = ROWS_IN_A_BLOCK
    for view in sets:
        columns = [_without_mark(column) for column in _texts(view, models, raw)]
        first = 0
        while first < len(view.ids):
            ids, references, *hypotheses = (column[first : first + room] for column in columns)
            marked = [_marked(references, column) for column in hypotheses]
            lines += chain.from_iterable(zip(ids, references, *marked, strict=True))
            first += len(ids)
            room -= len(ids)
            if not room:
                yield _joined(lines)
                lines, room = [], ROWS_IN_A_BLOCK
    if lines:
        yield _joined(lines)


def _texts(view: SetView, models: Sequence[str], raw: bool) -> Iterator[Sequence[str]]:
    first = next(iter(view.scores.values()))
    yield view.ids
    yield [each.reference for each in first.predictions] if raw else first.references
    for model in models:
        score = view.scores.get(model)
        if score is None:
            yield [""] * len(view.ids)
        elif raw:
            yield [each.hypothesis for each in score.predictions]
        else:
            yield score.hypotheses


def _without_mark(texts: Sequence[str]) -> Sequence[str]:
    """SAME must not come from a text."""
    return [each.replace(SAME, "") for each in texts] if SAME in "".join(texts) else texts


def _marked(references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    pairs = zip(references, hypotheses, strict=True)
    return [SAME if ours == theirs and theirs else theirs for ours, theirs in pairs]


def _joined(lines: Sequence[str]) -> bytes:
    text = "\n".join(lines)
    # A line break in a text would shift all that follow.
    if text.count("\n") != len(lines) - 1 or "\r" in text or "\0" in text:
        text = "\n".join([each.translate(_ONE_LINE) for each in lines])
    return text.encode("utf-8", "replace")


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, _LEVEL, mtime=0)).decode("ascii")
