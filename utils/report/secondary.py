"""What stands beside the error rates in results.json, as rows and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from utils.evaluation.results import set_of
from utils.report.tables import NOTHING, percent, percent_interval

FIGURE_HEADER = ("model", "test set", "figure", "value", "95 % interval", "counted")
TITLES = {
    "rate_without_loops": "{metric} without loops",
    "keyword_recall": "keyword recall",
    "keyword_precision": "keyword precision",
    "keyword_f1": "keyword F1",
    "punctuation_error_rate": "punctuation error rate",
    "case_error_rate": "case error rate",
    "numeral_errors": "errors that are only digits against numerals",
    "missed_speakers": "speakers missed",
    "extra_speakers": "speakers too many",
    "bleu": "BLEU",
    "chrf": "chrF",
}
"""Name in results.json -> what people read; any other name stands as it is."""


def figure_rows(scores: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the cells under `FIGURE_HEADER`; a rate without loops only where there were any."""
    return [
        [
            score["model"],
            set_of(score),
            TITLES.get(name, name).format(metric=score["metric"].upper()),
            _value(figure),
            _interval(figure),
            NOTHING if figure["count"] is None else f"{figure['count']} of {figure['of']}",
        ]
        for score, name, figure in _figures(scores)
    ]


def describe_secondary(scores: Sequence[dict[str, Any]]) -> list[str]:
    """Say what stands in notes, what `evaluate` modules computed, and what jiwer counted."""
    lines = [
        f"{score['model']} on {set_of(score)}: {figure['note']}"
        for score, _, figure in _figures(scores)
        if figure["note"]
    ]
    for score in scores:
        where = f"{score['model']} on {set_of(score)}"
        for module, values in (score.get("evaluate") or {}).items():
            shown = ", ".join(f"{name} {_plain(value)}" for name, value in values.items())
            lines.append(f"{where}: {module}: {shown}")
        checked = score.get("checked_with")
        if checked:
            says = "counts the same" if checked["agrees"] else "does not count the same"
            lines.append(
                f"{where}: {checked['library']} {says}: {checked['errors']} errors, "
                f"{checked['reference_tokens']} reference tokens"
            )
    return lines


def _figures(
    scores: Sequence[dict[str, Any]],
) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    for score in scores:
        for name, figure in (score.get("figures") or {}).items():
            if name != "rate_without_loops" or figure["note"]:
                yield score, name, figure


def _value(figure: dict[str, Any]) -> str:
    value = figure["value"]
    if value is None or figure["unit"] == "share":
        return percent(value)
    return f"{value:.2f}"


def _interval(figure: dict[str, Any]) -> str:
    interval = figure["interval"]
    if interval is None or figure["unit"] == "share":
        return percent_interval(interval)
    low, high = interval
    return f"{low:.2f} to {high:.2f}"


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
