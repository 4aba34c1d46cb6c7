"""The types of results.json's fields, which other programs may have written or a disk broken.

Each field is checked once, where the file is read; whoever reads it afterwards need not ask. What
an older version didn't write may be absent, but is never of another type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.cli.json_fields import shown

Check = Callable[[Any], bool]
LARGEST = 10**15


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -LARGEST < value < LARGEST and math.isfinite(value)


def _is_rate(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_interval(value: Any) -> bool:
    return value is None or (
        type(value) is list and len(value) == 2 and all(map(_is_number, value))
    )


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _is_truth(value: Any) -> bool:
    return type(value) is bool


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_cost(value: Any) -> bool:
    """Numbers by name, or numbers by name one level deeper (the latencies)."""
    if value is None:
        return True
    return type(value) is dict and all(
        _is_rate(each)
        or _is_text(each)
        or (type(each) is dict and all(_is_rate(n) or _is_text(n) for n in each.values()))
        for each in value.values()
    )


def _is_figures(value: Any) -> bool:
    """Objects by name, each with a value, an interval and what it was counted from."""
    checks = {
        **{"value": _is_rate, "interval": _is_interval, "unit": _is_text, "note": _is_text},
        **dict.fromkeys(("count", "of"), _or_none(_is_count)),
    }
    return type(value) is dict and all(
        type(each) is dict and all(check(each.get(name)) for name, check in checks.items())
        for each in value.values()
    )


def _is_computed(value: Any) -> bool:
    """Objects by the name of a module, each with numbers and texts."""
    return type(value) is dict and all(
        _is_object(each) and _is_cost(each) for each in value.values()
    )


_COUNTS = ("errors", "substitutions", "deletions", "insertions", "reference_tokens", "utterances")
SCORE: Mapping[str, Check] = {
    **dict.fromkeys(("model", "test_data", "metric", "normalizer", "test_set"), _is_text),
    **dict.fromkeys(("model_path", "predictions", "interval_over"), _or_none(_is_text)),
    **dict.fromkeys(("model_sha256", "manifest_sha256"), _or_none(_is_text)),
    **dict.fromkeys(("rate", "mean_utterance_rate", "sentence_error_rate"), _is_rate),
    **dict.fromkeys((*_COUNTS, "failed", "missing", "sentence_errors"), _is_count),
    **dict.fromkeys(("no_speech_utterances", "no_speech_insertions"), _is_count),
    **dict.fromkeys(("dropped_utterances", "extra_predictions"), _is_count),
    "interval": _is_interval,
    "raw": _or_none(_is_object),
    "decoding": _is_object,
    "audio_seconds": _is_number,
    "cost": _is_cost,
    "figures": _is_figures,
    "evaluate": _is_computed,
    "checked_with": _or_none(_is_object),
}
RAW: Mapping[str, Check] = {"rate": _is_rate, **dict.fromkeys(_COUNTS, _is_count)}
COMPARISON: Mapping[str, Check] = {
    **dict.fromkeys(("model", "baseline", "test_data", "test_set", "metric"), _is_text),
    **dict.fromkeys(("difference", "p", "p_holm", "p_mapsswe", "smallest_difference"), _is_rate),
    **dict.fromkeys(("wins", "losses", "ties"), _is_count),
    "mapsswe_segments": _or_none(_is_count),
    "interval": _is_interval,
    "interval_over": _or_none(_is_text),
    "identical": _is_truth,
}
GATE: Mapping[str, Check] = {
    "answer": lambda value: value in ("pass", "regress", "inconclusive"),
    "exit_code": _is_count,
    "sentence": _is_text,
    "conditions": lambda value: type(value) is list,
}
CONDITION: Mapping[str, Check] = {
    **dict.fromkeys(("condition", "model", "sentence"), _is_text),
    "test_set": _is_text,
    "baseline": _or_none(_is_text),
    "answer": GATE["answer"],
    "value": _is_rate,
    "interval": _is_interval,
}

MADE: Mapping[str, Check] = {
    **dict.fromkeys(("date", "command"), _is_text),
    "commit": _or_none(_is_text),
    "processes": _is_count,
    "versions": lambda value: _is_object(value) and all(map(_is_text, value.values())),
}

# What every version has written; the reports take it for granted.
_NEEDED_SCORE = (
    *("model", "test_data", "metric", "normalizer", "rate", "interval", "sentence_error_rate"),
    *(*_COUNTS, "failed", "missing", "raw", "decoding", "no_speech_utterances"),
    *("no_speech_insertions", "dropped_utterances"),
)
_NEEDED_COMPARISON = (
    *("model", "baseline", "test_data", "metric", "difference", "interval", "p", "p_holm"),
    *("p_mapsswe", "mapsswe_segments", "smallest_difference", "wins", "losses", "ties"),
)
_NEEDED_GATE = ("answer", "exit_code", "sentence", "conditions")
_NEEDED_CONDITION = ("condition", "model", "answer", "sentence")


def expect_fields(path: Path, results: Mapping[str, Any]) -> None:
    """Refuse results of which a field is missing or of another type.

    Raises:
        UserError: naming the first of them, where it stands, and what it holds.
    """
    scores = results.get("scores")
    if type(scores) is not list or not scores:
        raise UserError(f"{path}: holds no scores", "Run evaluation.py again.")
    for number, score in enumerate(scores, start=1):
        _expect(path, f"score {number}", score, SCORE, _NEEDED_SCORE)
        if score["raw"] is not None:
            _expect(path, f"score {number}, raw", score["raw"], RAW, ("rate",))
    comparisons = results.get("comparisons", [])
    if type(comparisons) is not list:
        raise _wrong(path, "comparisons", comparisons)
    for number, comparison in enumerate(comparisons, start=1):
        _expect(path, f"comparison {number}", comparison, COMPARISON, _NEEDED_COMPARISON)
        if comparison["interval"] is not None and comparison["p"] is None:
            raise _wrong(path, f"comparison {number}: 'p'", None)
    _expect(path, "made", results.get("made", {}), MADE, ())
    gate = results.get("gate") or {}
    if gate != {}:
        _expect(path, "gate", gate, GATE, _NEEDED_GATE)
        for number, condition in enumerate(gate["conditions"], start=1):
            _expect(path, f"condition {number}", condition, CONDITION, _NEEDED_CONDITION)


def _expect(
    path: Path, place: str, value: Any, checks: Mapping[str, Check], needed: tuple[str, ...]
) -> None:
    if type(value) is not dict:
        raise _wrong(path, place, value)
    for name in needed:
        if name not in value:
            raise UserError(
                f"{path}: {place} has no {name!r}; the file is half written or of an older version",
                "Run evaluation.py again.",
            )
    for name, check in checks.items():
        if name in value and not check(value[name]):
            raise _wrong(path, f"{place}: {name!r}", value[name])


def _wrong(path: Path, place: str, value: Any) -> UserError:
    return UserError(f"{path}: {place} is {shown(value)}", "Run evaluation.py again.")
