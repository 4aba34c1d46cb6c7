"""results.json and the utterances behind it as report.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.cli.console import printable
from utils.cli.files import atomic_write
from utils.evaluation.provenance import describe_provenance
from utils.evaluation.results import Evaluated, Results, set_name
from utils.report.figures.speed import COST_HEADER, COST_NOTE, cost_rows, describe_cost
from utils.report.history import TREND_HEADER, TREND_NOTE, TREND_WORDS, Point, trend_rows
from utils.report.report_data import ReportData
from utils.report.secondary import FIGURE_HEADER, describe_secondary, figure_rows
from utils.report.tables import (
    NOTHING,
    code_span,
    display_width,
    markdown_table,
    markdown_text,
    pad,
    percent,
)
from utils.report.terminal import (
    SCORE_HEADER,
    count_of,
    describe_details,
    describe_gate,
    describe_silence,
    describe_test_sets,
    matrix_table,
    score_rows,
)
from utils.report.verdict import Verdict, surest_first, verdicts
from utils.scoring.score import UtteranceScore, align
from utils.scoring.tokens import tokenizer_of

WORST_SHOWN = 20
COLUMNS = 96
LABEL_COLUMNS = 7


def write_report(path: str | Path, results: Results, evaluated: Iterable[Evaluated]) -> None:
    """Write report.md, whole or not at all.

    Args:
        path: The file; missing folders are made.
        results: What `build_results` returned.
        evaluated: The scores with their utterances, for the worst ones.
    """
    with atomic_write(path) as handle:
        handle.write(format_report(results, evaluated))


def format_report(
    results: Results,
    evaluated: Iterable[Evaluated],
    made: Sequence[Mapping[str, Any]] = (),
    trend: Sequence[Point] = (),
) -> str:
    """Return the report: scores, comparisons, gate, worst utterances, and how it was made.

    Args:
        results: What `build_results` returned.
        evaluated: The scores with their utterances, for the worst ones.
        made: When and how each results file was made; none takes it from `results`.
        trend: The rates of earlier runs and of this one.
    """
    parts = ["# Evaluation", verdict_list(verdicts(results))]
    parts.append("\n".join(f"- {line}" for line in describe_test_sets(results).split("\n")))
    parts.append(markdown_table(SCORE_HEADER, score_rows(results["scores"]), words=2))
    header, rows = matrix_table(results["scores"])
    if rows:
        parts.append("## Models and test sets\n\n" + markdown_table(header, rows))
    if silence := describe_silence(results["scores"]):
        parts.append("\n".join(["## Hallucinated in silence", "", *(f"- {s}" for s in silence)]))
    figures = figure_rows(results["scores"])
    notes = describe_secondary(results["scores"])
    if figures or notes:
        table = [markdown_table(FIGURE_HEADER, figures, words=3)] if figures else []
        listed = ["\n".join(f"- {markdown_text(note)}" for note in notes)] if notes else []
        parts.append("\n\n".join(["## Beside the error rate", *table, *listed]))
    costs = cost_rows(results["scores"])
    if costs:
        parts.append("## Cost\n\n" + markdown_table(COST_HEADER, costs, words=2))
        parts.append(" ".join([COST_NOTE, *map(markdown_text, describe_cost(results["scores"]))]))
    if details := describe_details(results["comparisons"]):
        parts.append("\n".join(["## Comparison", "", *(f"- {line}" for line in details)]))
    if results["gate"]:
        first, *conditions = describe_gate(results["gate"])
        parts.append("\n".join(["## Gate", "", first, "", *(f"- {c.strip()}" for c in conditions)]))
    if trend:
        over_time = markdown_table(TREND_HEADER, trend_rows(trend), words=TREND_WORDS)
        parts.append("\n\n".join(["## Over time", TREND_NOTE, over_time]))
    parts += [_worst_utterances(each) for each in evaluated]
    parts.append(_origins(results["scores"]))
    stated = [describe_provenance(each) for each in made or [results.get("made", {})]]
    parts += ["\n".join(f"- {markdown_text(line)}" for line in each) for each in stated if each]
    return printable("\n\n".join(parts)) + "\n"


def utterances_of(report_data: ReportData) -> list[Evaluated]:
    """Return the scores that were read again, as far as a report of them needs."""
    return [
        Evaluated(model, score, None, view.test_data, test_set=view.name)
        for view in report_data.sets
        for model, score in view.scores.items()
    ]


def verdict_list(found: Sequence[Verdict]) -> str:
    """Return the verdicts as a Markdown list, those that are sure first."""
    return "\n".join(
        f"- **{markdown_text(each.names)}: {each.headline}**"
        + (f" ({each.certainty})" if each.certainty else "")
        for each in surest_first(found)
    )


def aligned_lines(reference: Sequence[str], hypothesis: Sequence[str]) -> list[str]:
    """Return the tokens of an utterance under each other, errors marked S, D or I.

    Args:
        reference: Tokens of the reference.
        hypothesis: Tokens of the hypothesis.

    Returns:
        Three lines (REF, HYP, marks) for each stretch that fits into the page.
    """
    lines: list[str] = []
    for cells in _stretches(align(reference, hypothesis)):
        for label, row in zip(("REF", "HYP", ""), zip(*cells, strict=True), strict=True):
            lines.append((pad(label, LABEL_COLUMNS) + " ".join(row)).rstrip())
    return lines


def _stretches(pairs: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str, str]]]:
    """Pad (reference, hypothesis, mark) to equal widths and cut them where a line is full."""
    cells: list[tuple[str, str, str]] = []
    used = LABEL_COLUMNS
    for reference, hypothesis in pairs:
        mark = _mark(reference, hypothesis)
        shown = (reference or "*", hypothesis or "*", mark)
        width = max(map(display_width, shown))
        if cells and used + width > COLUMNS:
            yield cells
            cells, used = [], LABEL_COLUMNS
        cells.append((pad(shown[0], width), pad(shown[1], width), pad(mark, width)))
        used += width + 1
    if cells:
        yield cells


def _mark(reference: str, hypothesis: str) -> str:
    """Return S, D or I for an error; no mark where the tokens are the same."""
    if reference == hypothesis:
        return ""
    return "I" if not reference else "D" if not hypothesis else "S"


def _worst_utterances(evaluated: Evaluated) -> str:
    """Return the utterances with most errors, worst first."""
    score = evaluated.score
    wrong = [each for each in score.utterances if each.counts.errors]
    # Those without any reference token first among equals: their hypothesis is hallucinated.
    wrong.sort(key=lambda each: (-each.counts.errors, each.counts.reference_tokens, each.id))
    name = evaluated.test_set or set_name(evaluated.test_data)
    title = f"## {markdown_text(evaluated.model)} on {markdown_text(name)}: the worst utterances"
    if not wrong:
        return f"{title}\n\nEvery utterance is right."
    about = f"{len(wrong)} of {len(score.utterances)} utterances have errors"
    if len(wrong) > WORST_SHOWN:
        about += f"; these are the first {WORST_SHOWN}"
    blocks = [utterance_block(each, score.metric) for each in wrong[:WORST_SHOWN]]
    marks = "S substituted, D deleted, I inserted; the text is normalised"
    return "\n\n".join([title, f"{about} ({marks}).", *blocks])


def utterance_block(utterance: UtteranceScore, metric: str) -> str:
    """Return an utterance's errors and its tokens, the hypothesis under the reference."""
    tokenize = tokenizer_of(metric)
    counts = utterance.counts
    failed = ", failed" if counts.failed else ", missing" if counts.missing else ""
    errors = count_of(counts.errors, "error")
    tokens = count_of(counts.reference_tokens, "reference token")
    head = f"**{code_span(utterance.id)}** {errors}, {tokens}{failed}"
    if counts.rate is not None:
        head += f" ({percent(counts.rate)})"
    lines = aligned_lines(tokenize(utterance.reference), tokenize(utterance.hypothesis))
    # Tildes: the text may hold backticks. As many as the text itself cannot end.
    fence = "~" * (3 + max(map(len, re.findall("~+", "\n".join(lines))), default=1))
    return "\n".join([head, "", f"{fence}text", *lines, fence])


def _origins(scores: Sequence[dict[str, Any]]) -> str:
    """Say what each score was computed on and how."""
    lines = ["## How these scores were made", ""]
    for score in scores:
        decoding = ", ".join(f"{name}={value}" for name, value in score["decoding"].items())
        lines += [
            f"- **{markdown_text(score['model'])}** on {code_span(score['test_data'])}",
            f"  - model: {code_span(score['model_path'])}, weights {_short(score['model_sha256'])}",
            f"  - language: {', '.join(filter(None, score['languages'])) or NOTHING}",
            f"  - manifest: {_short(score['manifest_sha256'])}",
            f"  - normalizer: {score['normalizer']}; mean rate of the single utterances: "
            f"{percent(score['mean_utterance_rate'])}",
            f"  - interval over {score['interval_over']}s",
            f"  - decoding: {decoding or NOTHING}",
            f"  - predictions: {code_span(score['predictions'])}",
        ]
    return "\n".join(lines)


def _short(digest: str | None) -> str:
    return f"`sha256:{digest[:16]}`" if digest else "not hashed"
