"""Utterances in a form that a page can hold by the hundred thousand.

Numbers stand in one array a column; texts in blocks of lines, gzipped, which the page unpacks in
the background and searches as they are. Both are written as base64 into elements that run nothing.

Lines of a block: for each utterance its id, its reference, and each model's hypothesis. A
hypothesis that equals its reference is written as `SAME`: it is stored and searched once.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.report.gather import SetView

ROWS_IN_A_BLOCK = 4096
SAME = "\x01"
ABSENT = 65535  # in a column of errors: the model was not run on this utterance
_LEVEL = 6  # of gzip: 9 takes three times as long for 2 % less
_ONE_LINE = str.maketrans("\n\r", "  ", "\0\x01")


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
    return Column(kind, _base64(array.tobytes()))


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
        columns.append(pack(np.concatenate(parts), "Uint16"))
    return columns


def text_blocks(sets: Sequence[SetView], models: Sequence[str], *, raw: bool) -> Iterator[str]:
    """Yield the blocks of text, packed.

    Args:
        sets: The test sets, one after another.
        models: In the order of the lines.
        raw: The texts as they came, instead of the normalised ones.
    """
    lines: list[str] = []
    width = (2 + len(models)) * ROWS_IN_A_BLOCK
    for view in sets:
        columns = [view.ids, *_texts(view, models, raw)]
        for row in zip(*columns, strict=True):
            said = row[1]
            lines += row[:2]
            lines += [SAME if heard == said and heard else heard for heard in row[2:]]
            if len(lines) == width:
                yield _packed(lines)
                lines = []
    if lines:
        yield _packed(lines)


def _texts(view: SetView, models: Sequence[str], raw: bool) -> Iterator[Iterable[str]]:
    first = next(iter(view.scores.values()))
    yield [each.reference for each in first.predictions] if raw else first.references
    for model in models:
        score = view.scores.get(model)
        if score is None:
            yield [""] * len(view.ids)
        elif raw:
            yield [each.hypothesis for each in score.predictions]
        else:
            yield score.hypotheses


def _packed(lines: Iterable[str]) -> str:
    # A line break in a text would shift all that follow; SAME must not come from a text.
    cleaned = [each if each == SAME else each.translate(_ONE_LINE) for each in lines]
    return _base64("\n".join(cleaned).encode("utf-8", "replace"))


def _base64(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, _LEVEL, mtime=0)).decode("ascii")
