"""results.json as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from utils.evaluation.results import Results, set_of
from utils.report.figures.speed import COST_HEADER, cost_rows
from utils.report.secondary import FIGURE_HEADER, describe_secondary, figure_rows
from utils.report.tables import percent, percent_interval, points, text_table
from utils.scoring.metrics import METRICS

SCORE_HEADER = (
    "model",
    "test set",
    "rate",
    "95 % interval",
    "substituted",
    "deleted",
    "inserted",
    "failed",
    "SER",
    "raw rate",
)


def format_results(results: Results) -> str:
    """Return the scores as a table, then what the models change, then the gate's answer.

    Args:
        results: As `build_results` returns or `read_results` reads them.
    """
    parts = [describe_test_sets(results), score_table(results)]
    header, rows = matrix_table(results["scores"])
    if rows:
        parts.append(text_table(header, rows))
    parts.append("\n".join(describe_silence(results["scores"])))
    figures = figure_rows(results["scores"])
    if figures:
        parts.append(text_table(FIGURE_HEADER, figures, words=3))
    parts.append("\n".join(describe_secondary(results["scores"])))
    costs = cost_rows(results["scores"])
    if costs:
        parts.append(text_table(COST_HEADER, costs, words=2))
    parts += [describe_comparison(each) for each in results["comparisons"]]
    if results["gate"]:
        parts.append("\n".join(describe_gate(results["gate"])))
    return "\n\n".join(part for part in parts if part)


def score_table(results: Results) -> str:
    """Return one line for each score."""
    return text_table(SCORE_HEADER, score_rows(results["scores"]), words=2)


def score_rows(scores: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the cells under `SCORE_HEADER`."""
    return [
        [
            score["model"],
            set_of(score),
            f"{score['metric'].upper()} {percent(score['rate'])}",
            percent_interval(score["interval"]),
            str(score["substitutions"]),
            str(score["deletions"]),
            str(score["insertions"]),
            _failed(score),
            percent(score["sentence_error_rate"]),
            percent(score["raw"]["rate"]),
        ]
        for score in scores
    ]


def matrix_table(scores: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the rates with a line a model and a column a test set; no lines for a single set."""
    sets = {set_of(score): score["metric"].upper() for score in scores}
    if len(sets) < 2:
        return [], []
    rates = {(score["model"], set_of(score)): score["rate"] for score in scores}
    models = dict.fromkeys(score["model"] for score in scores)
    rows = [[model, *(percent(rates.get((model, name))) for name in sets)] for model in models]
    return ["model", *(f"{name} {metric}" for name, metric in sets.items())], rows


def describe_test_sets(results: Results) -> str:
    """Say of each test set how large it is and how its text was normalised."""
    lines: dict[str, None] = {}
    for score in results["scores"]:
        unit = METRICS[score["metric"]].unit
        lines[
            f"{score['test_data']}: {count_of(score['utterances'], 'utterance')}, "
            f"{score['reference_tokens']} {unit}, normalizer {score['normalizer']}"
            f"{_about_no_speech(score)}{_about_dropped(score)}"
        ] = None
    return "\n".join(lines)


def describe_silence(scores: Sequence[dict[str, Any]]) -> list[str]:
    """Say what each model hallucinated in silence; nothing where every utterance has speech."""
    return [
        f"{score['model']} on {set_of(score)}: "
        f"{count_of(score['no_speech_insertions'], 'token')} hallucinated in "
        f"{count_of(score['no_speech_utterances'], 'utterance')} without speech"
        for score in scores
        if score["no_speech_utterances"]
    ]


def describe_comparison(comparison: dict[str, Any]) -> str:
    """Say in words what a model changes, how surely, and on how many utterances."""
    if comparison.get("identical"):
        return (
            f"{comparison['model']} against {comparison['baseline']} on {set_of(comparison)}: "
            f"identical: the same text for {count_of(comparison['ties'], 'utterance')}"
        )
    sure = ""
    if comparison["interval"] is not None:
        low, high = (points(end).removesuffix(" points") for end in comparison["interval"])
        sure = f" (95 %: {low} to {high}; p = {comparison['p']:.2g})"
    lines = [
        f"{comparison['model']} against {comparison['baseline']} on "
        f"{set_of(comparison)}: {comparison['metric'].upper()} "
        f"{points(comparison['difference'])}{sure}",
        f"  fewer errors on {count_of(comparison['wins'], 'utterance')}, more on "
        f"{comparison['losses']}, as many on {comparison['ties']}",
    ]
    return "\n".join([*lines, *(f"  {line}" for line in _about_certainty(comparison))])


def _about_certainty(comparison: dict[str, Any]) -> list[str]:
    """Say what else is known of a difference: correction, power, and the second opinion."""
    lines = []
    if comparison["p_holm"] not in (None, comparison["p"]):
        lines.append(
            f"p = {comparison['p_holm']:.2g} when corrected for all comparisons here (Holm)"
        )
    if comparison["smallest_difference"]:
        size = points(comparison["smallest_difference"]).removeprefix("+")
        lines.append(f"a difference of {size} would be found in 4 of 5 such test sets")
    if comparison["p_mapsswe"] is not None:
        lines.append(
            f"second opinion (MAPSSWE, {comparison['mapsswe_segments']} segments): "
            f"p = {comparison['p_mapsswe']:.2g}"
        )
    return lines


def describe_gate(gate: dict[str, Any]) -> list[str]:
    """Return a line for the gate's answer and one for each condition."""
    return [
        f"gate: {gate['answer']} (exit code {gate['exit_code']}): {gate['sentence']}",
        *(f"  {condition['sentence']}" for condition in gate["conditions"]),
    ]


def count_of(number: int, noun: str) -> str:
    """Return "1 utterance", "2 utterances"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _failed(score: dict[str, Any]) -> str:
    missing = f", {score['missing']} missing" if score["missing"] else ""
    return f"{score['failed']}{missing}"


def _about_no_speech(score: dict[str, Any]) -> str:
    if not score["no_speech_utterances"]:
        return ""
    return f", {score['no_speech_utterances']} of them without speech"


def _about_dropped(score: dict[str, Any]) -> str:
    if not score["dropped_utterances"]:
        return ""
    return f"; {score['dropped_utterances']} left out for their duration"
