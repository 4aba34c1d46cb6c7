"""What a training made better and what it made worse, and what a change of a rate is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.cli.errors import UserError
from utils.evaluation.reread import normalizer_of
from utils.report.analyses.sections import Section, section_of, table_of
from utils.report.report_data import ReportData, SetView
from utils.report.tables import NOTHING, percent, points
from utils.report.worst import pairs_of
from utils.scoring.conventions.conventions import without_conventions
from utils.scoring.counts import ErrorCounts
from utils.scoring.decompose import Side, decompose
from utils.scoring.hallucinations import hallucinated_in_silence

# A rise by this much of the earlier rate, and by this many errors, is shown as forgetting.
NOTABLE_RISE = 0.05
NOTABLE_ERRORS = 3


def forgetting_section(report_data: ReportData, labels: Mapping[str, list[str]]) -> Section | None:
    """Compare before and after, by language, task, timestamps and speech."""
    tables = []
    for model, baseline in dict.fromkeys((m, b) for _, m, b in pairs_of(report_data) if b):
        rows = []
        for view, other, against in pairs_of(report_data):
            if (other, against) == (model, baseline):
                rows += _matrix_rows(view, model, str(baseline))
        header = ["language", "task", "timestamps", "speech", "utterances", "before", "after", ""]
        title = f"{model}, before: {baseline}"
        tables.append(table_of(title, header, rows, words=4))
    about = (
        "What was learnt and what was forgotten. Without speech, the figures are characters "
        "hallucinated a minute."
    )
    return section_of("Forgetting", about, tables)


def _matrix_rows(view: SetView, model: str, baseline: str) -> list[list[Any]]:
    """Return a row for each language, task and kind of speech of a test set."""
    decoding = view.described[model].get("decoding") or {}
    times = "yes" if decoding.get("timestamps") else "no"
    groups: dict[tuple[str, str, bool], list[int]] = {}
    for place, line in enumerate(view.lines):
        utterance = view.utterances.get(line.id)
        task = (utterance.task if utterance else None) or decoding.get("task") or "transcribe"
        key = line.language or "", task, bool(view.tokens[place])
        groups.setdefault(key, []).append(place)
    rows = []
    for (language, task, has_speech), places in sorted(groups.items()):
        chosen = np.zeros(len(view.ids), dtype=bool)
        chosen[places] = True
        head = [language or NOTHING, task, times, "yes" if has_speech else "no", str(len(places))]
        cells = _speech_cells if has_speech else _silence_cells
        rows.append([*head, *cells(view, model, baseline, chosen)])
    return rows


def _speech_cells(view: SetView, model: str, baseline: str, chosen: NDArray[np.bool_]) -> list[Any]:
    before, after = (view.scores[name].where(chosen).counts for name in (baseline, model))
    metric = view.metric.upper()
    if before.rate is None or after.rate is None:
        return [NOTHING, NOTHING, NOTHING]
    change = {"text": points(after.rate - before.rate), **_tone(before, after)}
    return [f"{metric} {percent(before.rate)}", f"{metric} {percent(after.rate)}", change]


def _tone(before: ErrorCounts, after: ErrorCounts) -> dict[str, str]:
    more = after.errors - before.errors
    notable = abs(more) >= max(NOTABLE_ERRORS, NOTABLE_RISE * before.errors)
    return {"tone": "bad" if more > 0 else "good"} if notable else {}


def _silence_cells(
    view: SetView, model: str, baseline: str, chosen: NDArray[np.bool_]
) -> list[Any]:
    silences = [
        hallucinated_in_silence(view.scores[name].where(chosen)) for name in (baseline, model)
    ]
    before, after = (each.characters_a_minute for each in silences)
    if before is None or after is None:
        return [str(silences[0].characters), str(silences[1].characters), NOTHING]
    tone = {"tone": "bad"} if after > before else {"tone": "good"} if after < before else {}
    change = {"text": f"{after - before:+.1f} a minute".replace("-", "\u2212"), **tone}
    return [f"{before:.1f}", f"{after:.1f}", change]


def change_section(report_data: ReportData, before: ReportData) -> Section | None:
    """Explain the change from earlier results to these, one thing at a time.

    Raises:
        UserError: The two have no test set, model or utterance in common.
    """
    tables = [
        table_of(
            f"{name}: {_change_title(early, old, late, new)}",
            ["what changed", "rate after it", "change"],
            _change_rows(early, old, late, new),
        )
        for name, early, old, late, new in _matched(report_data, before)
    ]
    about = (
        "From the earlier rate to this one, one thing is changed at a time; the steps add up to "
        "the whole. Scorer is what today's code counts otherwise than the results state."
    )
    return section_of("What changed", about, tables)


def _matched(
    report_data: ReportData, before: ReportData
) -> list[tuple[str, SetView, str, SetView, str]]:
    """Pair test sets by name, and models by name; single ones go together under any name."""
    late_sets = {view.name: view for view in report_data.sets}
    early_sets = {view.name: view for view in before.sets}
    shared = [name for name in late_sets if name in early_sets]
    if not shared:
        raise UserError(
            f"the results have the test sets {', '.join(late_sets)}, the earlier ones "
            f"{', '.join(early_sets)}: none is in both",
            "Give results of the same test sets to --results and --before.",
        )
    pairs = []
    for name in shared:
        early, late = early_sets[name], late_sets[name]
        names = [model for model in late.scores if model in early.scores]
        if names:
            pairs += [(name, early, model, late, model) for model in names]
        elif len(early.scores) == len(late.scores) == 1:
            pairs.append((name, early, next(iter(early.scores)), late, next(iter(late.scores))))
    if not pairs:
        raise UserError(
            "the results and the earlier ones have no model of one name",
            "Give the models the same names: --model_path=name=path.",
        )
    return pairs


def _change_title(early: SetView, old: str, late: SetView, new: str) -> str:
    return old if old == new else f"{old} to {new}"


def _change_rows(early: SetView, old: str, late: SetView, new: str) -> list[list[Any]]:
    try:
        steps = decompose(_side(early, old), _side(late, new))
    except ValueError as error:
        raise UserError(
            f"{late.name}: {error}", "Give results of the same test set to --before."
        ) from error
    first, *changes = steps
    rows: list[list[Any]] = [["before", percent(first.rate), ""]]
    rows += [
        [step.name, percent(step.rate), {"text": points(step.change), **_change_tone(step.change)}]
        for step in changes
        if abs(step.change) > 1e-12 or step.name == "model"
    ]
    whole = changes[-1].rate - first.rate
    return [*rows, ["after", percent(changes[-1].rate), points(whole)]]


def _change_tone(change: float) -> dict[str, str]:
    return {"tone": "bad"} if change > 0 else {"tone": "good"} if change < 0 else {}


def _side(view: SetView, model: str) -> Side:
    stated = view.described[model]
    return Side(
        view.scores[model].predictions,
        view.metric,
        normalizer_of(without_conventions(stated["normalizer"])),
        stated["rate"],
    )
