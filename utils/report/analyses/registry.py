"""Where and why models make errors, as tables that every form of the report shows.

To add an analysis, write a function that returns a section or None, and a row in `ANALYSES`. A cell
is text, or a dict of "text" and how it is shown ("tone", "share", "long"). What the page looks for
when it is clicked: a text ("find", "in"), a label ("field", "label", "set"), or a named group of
utterances ("group", "rows": their numbers, one set after another).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from utils.report.analyses.change import change_section, forgetting_section
from utils.report.analyses.errors import errors_section
from utils.report.analyses.parts import parts_section
from utils.report.analyses.sections import Section, section_of, table_of
from utils.report.analyses.text import confusion_section, hallucination_section
from utils.report.figures.training_curves import find_curves
from utils.report.history import Point, trend_section
from utils.report.report_data import ReportData, SetView
from utils.report.tables import percent
from utils.scoring.timing import COLLARS, Timing, measure_timing

Labels = Mapping[str, list[str]]


def analyse(
    report_data: ReportData,
    labels: Labels,
    before: ReportData | None = None,
    trend: Sequence[Point] = (),
) -> dict[str, Any]:
    """Run all analyses.

    Args:
        report_data: What `read_report_data` read.
        labels: Of all utterances, one set after another.
        before: Earlier results, to explain what has changed since.
        trend: The rates of earlier runs and of this one, as `read_history` returns them.

    Returns:
        {"sections": [{"title", "about", "tables"}], "curves": [{"name", "events"}], "trend":
        [points as the page draws them]}.
    """
    found: list[Section | None] = [change_section(report_data, before)] if before else []
    if trend:
        found.append(trend_section(trend))
    found += [make(report_data, labels) for make in ANALYSES]
    return {
        "sections": [each for each in found if each],
        "curves": find_curves(report_data),
        "trend": [each.to_json() for each in trend],
    }


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
    errors_section,
    parts_section,
    confusion_section,
    hallucination_section,
    timing_section,
    forgetting_section,
)
"""In the order in which they are shown."""
