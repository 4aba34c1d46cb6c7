"""results.json as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from utils.evaluation.results import Results, set_of
from utils.report.figures.speed import COST_HEADER, cost_rows, describe_cost
from utils.report.secondary import FIGURE_HEADER, describe_secondary, figure_rows
from utils.report.tables import percent, percent_interval, text_table
from utils.report.verdict import p_text, verdicts
from utils.scoring.metrics import unit_of

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
    """Return who is better, the scores as a table, what else is known, and the gate's answer.

    Args:
        results: As `build_results` returns or `read_results` reads them.
    """
    parts = ["\n".join(describe_verdicts(results)), describe_test_sets(results)]
    parts.append(score_table(results))
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
        parts.append("\n".join(describe_cost(results["scores"])))
    parts.append("\n".join(describe_details(results["comparisons"])))
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
        unit = unit_of(score["metric"])
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


def describe_verdicts(results: Results) -> list[str]:
    """Say first who is better: two lines for each comparison, one for a model without any."""
    return [
        f"{each.names}: {each.headline}" + (f"\n  {each.certainty}" if each.certainty else "")
        for each in verdicts(results)
    ]


def describe_details(comparisons: Sequence[dict[str, Any]]) -> list[str]:
    """Say what else is known of each comparison: the p value alone, and a second opinion."""
    lines = []
    for each in comparisons:
        known = []
        if each["p_holm"] not in (None, each["p"]):
            known.append(f"{p_text(each['p'])} before the correction for all comparisons (Holm)")
        if each["p_mapsswe"] is not None:
            known.append(
                f"second opinion: {p_text(each['p_mapsswe'])} "
                f"(MAPSSWE, {each['mapsswe_segments']} segments)"
            )
        if known:
            names = f"{each['model']} against {each['baseline']} on {set_of(each)}"
            lines.append(f"{names}: {'; '.join(known)}")
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
