"""Where and why models make errors, as tables that every form of the report shows.

To add an analysis, write a function that returns a section or None, and a row in `ANALYSES`. A cell
is text, or {"text", "find", "in", "field", "label", "show", "tone"}: what the page looks for when
it is clicked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.report.analyses.change import change_section, forgetting_section
from utils.report.analyses.sections import Section, section_of, table_of
from utils.report.analyses.text import confusion_section, hallucination_section
from utils.report.figures.training_curves import find_curves
from utils.report.report_data import ReportData, SetView
from utils.report.tables import percent
from utils.report.worst import pairs_of
from utils.scoring.timing import COLLARS, Timing, measure_timing

Labels = Mapping[str, list[str]]
PARTS_SHOWN = 25
FEWEST_UTTERANCES = 3


def analyse(
    report_data: ReportData, labels: Labels, before: ReportData | None = None
) -> dict[str, Any]:
    """Run all analyses.

    Args:
        report_data: What `gather` read.
        labels: Of all utterances, one set after another.
        before: Earlier results, to explain what has changed since.

    Returns:
        {"sections": [{"title", "about", "tables"}], "curves": [{"name", "events"}]}.
    """
    found: list[Section | None] = [change_section(report_data, before)] if before else []
    found += [make(report_data, labels) for make in ANALYSES]
    return {"sections": [each for each in found if each], "curves": find_curves(report_data)}


def parts_section(report_data: ReportData, labels: Labels) -> Section | None:
    """Rank the parts of the test sets by the errors that they have above the average."""
    tables = []
    first = 0
    for view in report_data.sets:
        here = {
            name: values[first : first + len(view.ids)]
            for name, values in labels.items()
            if name != "set"
        }
        first += len(view.ids)
        numbered = {name: _numbered(values) for name, values in here.items()}
        for model, baseline in ((m, b) for v, m, b in pairs_of(report_data) if v is view):
            rows = _part_rows(view, numbered, model, baseline)
            header = ["part", "utterances", "rate", "baseline", "errors above average"]
            if baseline is None:
                header.remove("baseline")
            tables.append(table_of(f"{model} on {view.name}", header, rows))
    about = (
        "Parts of a test set by language, speaker, source, length, loudness, speech rate and every "
        "field of the manifest: first those that cost most errors more than the average would."
    )
    return section_of("Where", about, tables)


def _numbered(values: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the different labels in order, and the number of each utterance's label."""
    names = sorted(set(values))
    numbers = {name: number for number, name in enumerate(names)}
    return names, np.array([numbers[each] for each in values], dtype=np.int64)


def _part_rows(
    view: SetView,
    labels: Mapping[str, tuple[list[str], NDArray[np.int64]]],
    model: str,
    baseline: str | None,
) -> list[list[Any]]:
    score = view.scores[model]
    average = score.rate or 0.0
    found = []
    for field, (names, numbers) in labels.items():
        if len(names) < 2:
            continue
        sizes = np.bincount(numbers)
        errors, tokens = _sums(numbers, score.errors), _sums(numbers, view.tokens)
        base = _sums(numbers, view.scores[baseline].errors) if baseline else None
        for place, name in enumerate(names):
            if sizes[place] < FEWEST_UTTERANCES or not name:
                continue
            rate = errors[place] / tokens[place] if tokens[place] else None
            above = float(errors[place] - average * tokens[place])
            cells: list[Any] = [
                {"text": f"{field} = {name}", "field": field, "label": name},
                str(sizes[place]),
                {"text": percent(rate), **_tone(rate, average)},
            ]
            if base is not None:
                cells.append(percent(base[place] / tokens[place] if tokens[place] else None))
            found.append((above, [*cells, f"{above:+.1f}".replace("-", "\u2212")]))
    found.sort(key=lambda each: -each[0])
    return [cells for _, cells in found[:PARTS_SHOWN]]


def _sums(numbers: NDArray[Any], values: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(numbers, weights=values).astype(np.float64)


def _tone(rate: float | None, average: float) -> dict[str, str]:
    if rate is None or rate <= 1.25 * average:
        return {}
    return {"tone": "bad"}


def timing_section(report_data: ReportData, labels: Labels) -> Section | None:
    """Hold the models' times against the manifests'."""
    rows = []
    for view in report_data.sets:
        for model in view.scores:
            timing = _timing(view, model)
            if timing.utterances:
                rows.append(
                    [
                        model,
                        view.name,
                        str(timing.utterances),
                        *(percent(timing.f1(collar)) for collar in COLLARS),
                        percent(timing.overlap),
                    ]
                )
    header = ["model", "test set", "timed", *(f"F1 ±{c:g} s" for c in COLLARS), "overlap (IoU)"]
    about = (
        "Beginnings and ends of sentences against those of the manifest: a boundary is right if it "
        "lies within the collar. Overlap is the time that both call speech over the time that "
        "either does. Higher is better."
    )
    return section_of("Timestamps", about, [table_of("Times", header, rows, words=2)])


def _timing(view: SetView, model: str) -> Timing:
    pairs = []
    for prediction in view.scores[model].predictions:
        utterance = view.utterances.get(prediction.id)
        if utterance is None or not utterance.sentences:
            continue
        meant = [(each.start, each.end) for each in utterance.sentences]
        pairs.append((meant, [(each.start, each.end) for each in prediction.segments]))
    return measure_timing(pairs)


ANALYSES: tuple[Callable[[ReportData, Labels], Section | None], ...] = (
    parts_section,
    confusion_section,
    hallucination_section,
    timing_section,
    forgetting_section,
)
"""In the order in which they are shown."""
