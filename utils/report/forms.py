"""Every form of the report, made from results.json. To add one, write a function and a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.cli.files import atomic_write
from utils.cli.garbage import garbage_collection_paused
from utils.report.analyses.registry import analyse
from utils.report.compare import compare_with
from utils.report.github import tell_github
from utils.report.history import read_history
from utils.report.junit import format_junit
from utils.report.markdown import format_report, utterances_of
from utils.report.model_card import format_model_card
from utils.report.page.html import write_html
from utils.report.page.utterance_labels import labels_of_all
from utils.report.report_data import read_report_data
from utils.report.summary import format_comment, format_summary

FORMS = {
    "html": "report.html",
    "markdown": "report.md",
    "summary": "summary.md",
    "comment": "comment.md",
    "junit": "junit.xml",
    "card": "model-card.md",
}
"""Form -> its file."""


def make_forms(
    results: Sequence[str | Path],
    folder: Path,
    forms: Sequence[str] = tuple(FORMS),
    *,
    baselines: Sequence[str] = (),
    before: str | Path | None = None,
    history: str | Path | None = None,
    title: str = "Evaluation",
    embed_mb: float = 4.0,
    loudness: bool | None = None,
) -> list[Path]:
    """Make reports of one results file or several, and tell a GitHub runner, if one listens.

    Args:
        results: The results files, whose models and sets are put together.
        folder: Where the reports go; files of their names are replaced.
        forms: Which of `FORMS`.
        baselines: Models with which all others are compared; none keeps what the results hold.
        before: Earlier results, to explain what has changed since.
        history: A folder with results of earlier runs, to show the rates over time.
        title: Of the reports.
        embed_mb: Put sound into the page until it is this many MiB.
        loudness: Whether to measure how loud all sound is; None does so for small sets.

    Returns:
        The paths that were written.

    Raises:
        UserError: A file cannot be used, or two do not go together.
    """
    with garbage_collection_paused():
        report_data = compare_with(read_report_data(results), baselines)
        earlier = None if before is None else read_report_data([before])
    trend = () if history is None else read_history(history, report_data)
    labels = labels_of_all(report_data.sets, loudness=loudness)
    analyses = analyse(report_data, labels, earlier, trend)
    summary = format_summary(report_data, analyses, title)
    texts = {
        "markdown": lambda: format_report(
            report_data.results, utterances_of(report_data), report_data.made, trend
        ),
        "summary": lambda: summary,
        "comment": lambda: format_comment(report_data, analyses, title),
        "junit": lambda: format_junit(report_data, title),
        "card": lambda: format_model_card(report_data),
    }
    written = []
    for form in forms:
        path = folder / FORMS[form]
        if form == "html":
            write_html(path, report_data, labels, analyses, title=title, embed_mb=embed_mb)
        else:
            with atomic_write(path) as handle:
                handle.write(texts[form]().encode("utf-8", "replace").decode("utf-8"))
        written.append(path)
    tell_github(report_data, summary)
    return written
