"""results.json: the one file from which every other form of report is made.

Other programs read it. Fields may be added; those that stand here never change their meaning.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from utils.cli.data_files import read_json
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.scoring.blocks import block_unit
from utils.scoring.counts import ErrorCounts
from utils.scoring.gate import GateAnswer, Verdict
from utils.scoring.score import Score
from utils.scoring.secondary.figure import Figure
from utils.scoring.statistics import Comparison, Interval, holm

SCHEMA = 1

Results = dict[str, Any]
"""The content of results.json."""


@dataclass(frozen=True)
class Evaluated:
    """One model on one test set, with all that a score must say about its origin."""

    model: str
    """Short name, unique in a report."""
    score: Score
    interval: Interval | None
    test_data: str
    manifest_sha256: str | None = None
    model_path: str = ""
    model_sha256: str | None = None
    """Of the weight files; None for a model that was not read from a local folder."""
    decoding: Mapping[str, Any] = field(default_factory=dict)
    dropped_utterances: int = 0
    """Lines of the manifest that were filtered out by their duration before transcribing."""
    predictions: str = ""
    """Path of the predictions that were scored."""
    audio_seconds: float = 0.0
    test_set: str = ""
    """Short name of the test set, unique in a report; that of the manifest if not given."""
    cost: Mapping[str, Any] | None = None
    """As `Cost.to_json` returns it; None for ready predictions."""
    extra_predictions: int = 0
    """Ready predictions of other utterances; they count nowhere."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """What stands beside the rate: name -> figure."""
    modules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name of an `evaluate` module -> what it computed."""
    checked: Mapping[str, Any] | None = None
    """What another library counted, as `recount` returns it."""


@dataclass(frozen=True)
class Compared:
    """What one model changes against another on one test set."""

    model: str
    baseline: str
    test_data: str
    metric: str
    comparison: Comparison
    test_set: str = ""


def build_results(
    evaluated: Iterable[Evaluated],
    compared: Iterable[Compared] = (),
    gate: GateAnswer | None = None,
    made: Mapping[str, Any] | None = None,
) -> Results:
    """Return the content of results.json.

    Args:
        evaluated: One for each model and test set.
        compared: One for each model and baseline.
        gate: The gate's answer; without one the results hold an empty object.
        made: What `provenance` returned: all that differs when the same is done again.
    """
    scores = [_score_json(each) for each in evaluated]
    return {
        "schema": SCHEMA,
        "scores": scores,
        "matrix": _matrix(scores),
        "comparisons": comparisons_json(list(compared)),
        "gate": {} if gate is None else _gate_json(gate),
        "made": dict(made or {}),
    }


def comparisons_json(compared: Sequence[Compared]) -> list[dict[str, Any]]:
    """Return comparisons as results.json holds them, their p values corrected for all (Holm)."""
    corrected = holm([each.comparison.p_value for each in compared])
    return [_comparison_json(each, p) for each, p in zip(compared, corrected, strict=True)]


def write_results(path: str | Path, results: Results) -> None:
    """Write results.json, whole or not at all."""
    with atomic_write(path) as handle:
        json.dump(results, handle, ensure_ascii=False, indent=2, allow_nan=False)
        handle.write("\n")


def read_results(path: str | Path) -> Results:
    """Read a results.json.

    Raises:
        UserError: The file is missing, is not JSON, or is of another schema.
    """
    path = Path(path)
    try:
        results = read_json(path, "Run evaluation.py again.")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such results file", "evaluation.py writes it.") from error
    found = results.get("schema") if isinstance(results, dict) else None
    if found != SCHEMA:
        raise UserError(
            f"{path}: results of schema {found!r}, this version reads schema {SCHEMA}",
            "Run evaluation.py again, or use the version that wrote the file.",
        )
    return dict(results)


def set_name(test_data: str) -> str:
    """Return the short name of a test set: "dataset/test.json.gz" -> "test"."""
    name = Path(test_data).name
    for suffix in (".gz", ".json", ".jsonl"):
        name = name.removesuffix(suffix)
    return name.replace(":", "-") or test_data  # of hf:name:split


def set_of(score: Mapping[str, Any]) -> str:
    """Return the short name of the test set of a score or comparison."""
    return str(score.get("test_set") or set_name(score["test_data"]))


def _matrix(scores: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Test set -> model -> rate."""
    matrix: dict[str, dict[str, float | None]] = {}
    for score in scores:
        matrix.setdefault(set_of(score), {})[score["model"]] = score["rate"]
    return matrix


def _score_json(evaluated: Evaluated) -> dict[str, Any]:
    score = evaluated.score
    return {
        "model": evaluated.model,
        "model_path": evaluated.model_path,
        "model_sha256": evaluated.model_sha256,
        "test_data": evaluated.test_data,
        "test_set": evaluated.test_set or set_name(evaluated.test_data),
        "manifest_sha256": evaluated.manifest_sha256,
        "metric": score.metric,
        "normalizer": score.normalizer,
        **_counts_json(score.counts),
        "interval": _interval_json(evaluated.interval),
        "interval_over": block_unit(score),
        "mean_utterance_rate": score.mean_utterance_rate,
        "sentence_errors": score.sentences.counts.errors,
        "sentence_error_rate": score.sentences.rate,
        "raw": _counts_json(score.raw),
        "no_speech_utterances": score.no_speech.utterances,
        "no_speech_insertions": score.no_speech.insertions,
        "dropped_utterances": evaluated.dropped_utterances,
        "languages": dict(Counter(p.language or "" for p in score.predictions).most_common()),
        "decoding": dict(evaluated.decoding),
        "audio_seconds": round(evaluated.audio_seconds, 3),
        "predictions": evaluated.predictions,
        "extra_predictions": evaluated.extra_predictions,
        "figures": {name: each.to_json() for name, each in evaluated.figures.items()},
        "evaluate": {name: dict(each) for name, each in evaluated.modules.items()},
        "checked_with": None if evaluated.checked is None else dict(evaluated.checked),
        "cost": None if evaluated.cost is None else dict(evaluated.cost),
    }


def _counts_json(counts: ErrorCounts) -> dict[str, Any]:
    return {"rate": counts.rate, "errors": counts.errors, **asdict(counts)}


def _comparison_json(compared: Compared, corrected_p: float | None) -> dict[str, Any]:
    """Return a comparison; `p_holm` is its p value corrected for all that the report makes."""
    comparison = compared.comparison
    second = comparison.mapsswe
    return {
        "model": compared.model,
        "baseline": compared.baseline,
        "test_data": compared.test_data,
        "test_set": compared.test_set or set_name(compared.test_data),
        "metric": compared.metric,
        "difference": comparison.difference,
        "interval": _interval_json(comparison.interval),
        "interval_over": comparison.blocks,
        "p": comparison.p_value,
        "p_holm": corrected_p,
        "p_mapsswe": second.p_value if second else None,
        "mapsswe_segments": second.segments if second else None,
        "identical": comparison.identical,
        "smallest_difference": comparison.smallest_difference,
        "wins": comparison.wins,
        "losses": comparison.losses,
        "ties": comparison.ties,
    }


def _gate_json(gate: GateAnswer) -> dict[str, Any]:
    return {
        "answer": gate.answer,
        "exit_code": gate.exit_code,
        "sentence": gate.sentence,
        "conditions": [_verdict_json(verdict) for verdict in gate.verdicts],
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "condition": str(verdict.condition),
        "model": verdict.model,
        "test_set": verdict.test_set,
        "baseline": verdict.baseline,
        "value": verdict.value,
        "interval": _interval_json(verdict.interval),
        "answer": verdict.answer,
        "sentence": verdict.sentence,
    }


def _interval_json(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)
