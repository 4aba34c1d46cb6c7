"""Where models make errors: the parts of a test set, by every field of the manifest.

The intervals are those of utils/scoring/bounds.py, over whole speakers or recordings where a part
has five or more, else over utterances. P values are corrected for all parts and models of the
report (Holm); only what is left below 0.05 is coloured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.report.analyses.sections import Section, section_of, table_of
from utils.report.report_data import ReportData, SetView
from utils.report.tables import NOTHING, percent, points
from utils.report.verdict import SURE
from utils.report.worst import pairs_of
from utils.scoring.blocks import FEWEST_BLOCKS, block_numbers
from utils.scoring.bounds import Moments, moments, p_of_two
from utils.scoring.statistics import CONFIDENCE, holm

PARTS_SHOWN = 40
FEWEST_UTTERANCES = 5
SMALL_NAMED = 12

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """The utterances of a test set that share a label.

    Attributes:
        field: Name of the field.
        label: Its value.
        places: int64 `(n,)`, where the utterances stand in the set.
    """

    field: str
    label: str
    places: Numbers

    @property
    def name(self) -> str:
        """As it is shown."""
        return f"{self.field} = {self.label}"


@dataclass
class _Judged:
    """A figure of a part that may be coloured, once all p values are known."""

    cell: dict[str, Any]
    p: float | None
    is_worse: bool


def parts_section(report_data: ReportData, labels: Mapping[str, list[str]]) -> Section | None:
    """Show the rates of the parts of each test set, the models side by side."""
    tables = []
    judged: list[_Judged] = []
    first = 0
    for view in report_data.sets:
        here = {
            name: values[first : first + len(view.ids)]
            for name, values in labels.items()
            if name != "set"
        }
        first += len(view.ids)
        parts = list(parts_of(here))
        large = [part for part in parts if len(part.places) >= FEWEST_UTTERANCES]
        small = [part for part in parts if len(part.places) < FEWEST_UTTERANCES]
        baselines = {m: b for v, m, b in pairs_of(report_data) if v is view and b}
        header = ["part", "utterances", *_columns(view, baselines)]
        rows = _rows(view, large, baselines, judged)
        tables.append({**table_of(view.name, header, rows), "wide": True, "note": _note(small)})
    for each, p in zip(judged, holm([each.p for each in judged]), strict=True):
        if p is not None and p < SURE:
            each.cell["tone"] = "bad" if each.is_worse else "good"
    about = (
        "Rates by language, speaker, source, length, loudness, speech rate and every field of the "
        "manifest, with 95 % intervals. The parts that cost most errors above the average come "
        "first. A rate is coloured where the part differs from the rest of the set, a change where "
        "the model differs from its baseline: p < 0.05, corrected for everything in these tables."
    )
    return section_of("Where", about, tables)


def parts_of(labels: Mapping[str, Sequence[str]]) -> Iterator[Part]:
    """Yield the parts of a set, without those that say nothing new.

    A field that divides the set as an earlier one does is left out, and of a field with two labels
    the part of the smaller one is enough: the other is all the rest.
    """
    seen: set[bytes] = set()
    for field, values in labels.items():
        names = sorted(set(values))
        numbers = {name: number for number, name in enumerate(names)}
        column = np.array([numbers[each] for each in values], dtype=np.int64)
        # Numbered by appearance, so that equal divisions look equal whatever their labels are.
        _, appearance = np.unique(column, return_index=True)
        rank = np.argsort(np.argsort(appearance))[column] if len(column) else column
        if len(names) < 2 or rank.tobytes() in seen:
            continue
        seen.add(rank.tobytes())
        parts = [Part(field, name, np.flatnonzero(column == numbers[name])) for name in names]
        parts = [part for part in parts if part.label]
        if len(names) == 2 and len(parts) == 2:
            parts = [min(parts, key=lambda part: len(part.places))]
        yield from parts


def _columns(view: SetView, baselines: Mapping[str, str]) -> Iterator[str]:
    for model in view.scores:
        yield model
        if model in baselines:
            yield f"change from {baselines[model]}"


def _rows(
    view: SetView, parts: Sequence[Part], baselines: Mapping[str, str], judged: list[_Judged]
) -> list[list[Any]]:
    """Return a row for each part, those that cost most first."""
    asked = [model for model in view.scores if model in baselines] or list(view.scores)

    def above(part: Part) -> float:
        """Errors above the average, of the model where they are most."""
        tokens = float(view.tokens[part.places].sum())
        return max(
            float(view.scores[m].errors[part.places].sum()) - (view.scores[m].rate or 0.0) * tokens
            for m in asked
        )

    blocks = block_numbers(next(iter(view.scores.values())))
    rows = []
    for part in sorted(parts, key=above, reverse=True)[:PARTS_SHOWN]:
        name = {"text": part.name, "field": part.field, "label": part.label, "set": view.name}
        cells: list[Any] = [name, str(len(part.places))]
        for model, score in view.scores.items():
            cells.append(_rate_cell(score.errors, view.tokens, blocks, part.places, judged))
            if model in baselines:
                changes = score.errors - view.scores[baselines[model]].errors
                cells.append(_change_cell(changes, view.tokens, blocks, part.places, judged))
        rows.append(cells)
    return rows


def _rate_cell(
    errors: Numbers,
    tokens: Numbers,
    blocks: Numbers | None,
    places: Numbers,
    judged: list[_Judged],
) -> Any:
    """Return the rate of a part with its interval, to be coloured if the rest differs."""
    if not tokens[places].any():
        wrong = int(errors[places].sum())
        return f"{wrong} hallucinated" if wrong else NOTHING
    here = _moments(errors, tokens, blocks, places, paired=False)
    low, high = max(here.bound(CONFIDENCE, -1), 0.0), here.bound(CONFIDENCE, 1)
    cell = {"text": f"{percent(here.value)} ({100 * low:.1f} to {100 * high:.1f})"}
    others = np.setdiff1d(np.arange(len(tokens)), places)
    if tokens[others].any():
        rest = _moments(errors, tokens, blocks, others, paired=False)
        judged.append(_Judged(cell, p_of_two(here, rest), here.value > rest.value))
    return cell


def _change_cell(
    changes: Numbers,
    tokens: Numbers,
    blocks: Numbers | None,
    places: Numbers,
    judged: list[_Judged],
) -> Any:
    """Return what a model changes in a part, to be coloured if that is no chance."""
    if not tokens[places].any():
        return NOTHING
    change = _moments(changes, tokens, blocks, places, paired=True)
    cell = {"text": points(change.value).removesuffix(" points")}
    judged.append(_Judged(cell, change.p_value(), change.value > 0))
    return cell


def _moments(
    errors: Numbers, tokens: Numbers, blocks: Numbers | None, places: Numbers, *, paired: bool
) -> Moments:
    """Return the moments of a part over its blocks, over its utterances where those are few."""
    errors, tokens = errors[places], tokens[places]
    if blocks is not None:
        names, block_of = np.unique(blocks[places], return_inverse=True)
        if len(names) >= FEWEST_BLOCKS:
            errors, tokens = (
                np.bincount(block_of, weights=each).astype(np.int64) for each in (errors, tokens)
            )
    return moments(errors, tokens, paired=paired)


def _note(small: Sequence[Part]) -> str:
    """Name the parts that are too small to be judged."""
    if not small:
        return ""
    shown = ", ".join(f"{part.name} ({len(part.places)})" for part in small[:SMALL_NAMED])
    more = f" and {len(small) - SMALL_NAMED} more" if len(small) > SMALL_NAMED else ""
    return f"Fewer than {FEWEST_UTTERANCES} utterances, so not shown: {shown}{more}."
