"""What GitHub's runners read from a step: its summary, and annotations on its log.

Nothing is written where the variables that a runner sets are not there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from utils.cli.console import printable, say_result
from utils.report.report_data import ReportData
from utils.report.summary import SUMMARY_BYTES
from utils.report.worst import losses, regressed_first

LINES_ANNOTATED = 3
_KINDS = {"regress": "error", "inconclusive": "warning"}


def tell_github(report_data: ReportData, summary: str) -> None:
    """Append the step summary and say the annotations, where a runner listens.

    Args:
        report_data: What `read_report_data` read.
        summary: The step summary, in Markdown.
    """
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        _append(Path(path), summary)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in annotation_lines(report_data):
            say_result(line)


def _append(path: Path, summary: str) -> None:
    """Append to the step's summary unless both together pass the limit of GitHub."""
    before = path.stat().st_size if path.exists() else 0
    if before + len(summary.encode("utf-8", "replace")) > SUMMARY_BYTES:
        summary = "The report is too long to stand beside what is here; see report.html.\n"
    with open(path, "a", encoding="utf-8", errors="replace") as handle:
        handle.write(summary)


def annotation_lines(report_data: ReportData) -> list[str]:
    """Return a workflow command for each condition that does not hold, and the lines behind it."""
    gate: dict[str, Any] = report_data.results["gate"]
    lines = [
        _command(_KINDS[each["answer"]], f"gate: {each['condition']}", each["sentence"])
        for each in gate.get("conditions", [])
        if each["answer"] in _KINDS
    ]
    if gate.get("answer") == "regress":
        for view, model, baseline in regressed_first(report_data)[:1]:
            for loss in losses(view, model, baseline, LINES_ANNOTATED):
                reference, hypothesis = loss.utterance.reference, loss.utterance.hypothesis
                title = f"{model} on {view.name}: {loss.utterance.id}"
                message = f"reference: {reference}\nhypothesis: {hypothesis}"
                lines.append(_command("warning", title, message))
    return lines


def _command(kind: str, title: str, message: str) -> str:
    r"""Return a workflow command; its special characters are written as the runner reads them.

    Example:
        >>> _command("error", "a: b", "50 %\nmore")
        '::error title=a%3A b::50 %25%0Amore'
    """
    message, title = printable(message), printable(title)
    message = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={title}::{message}"
