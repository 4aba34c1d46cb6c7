"""The report for continuous integration: a comment and a step summary, the worst first.

GitHub stops a comment at 65536 characters and a step summary at 1 MiB. Parts are put in until the
next one does not fit, and the number of parts left out is reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from utils.cli.console import printable
from utils.evaluation.results import set_of
from utils.report.markdown import verdict_list
from utils.report.report_data import ReportData
from utils.report.tables import markdown_table, markdown_text, percent, percent_interval, points
from utils.report.terminal import count_of, describe_silence
from utils.report.verdict import answer_of, verdicts
from utils.report.worst import losses, regressed_first

COMMENT_BYTES = 64_000
SUMMARY_BYTES = 1_000_000
LINES_IN_A_COMMENT = 5
LINES_IN_A_SUMMARY = 50
ROWS_IN_A_TABLE = 12
_ANSWERS = {"pass": "✅ passed", "regress": "❌ not passed", "inconclusive": "⚠️ cannot tell"}
_MARKS = {"pass": "✅", "regress": "❌", "inconclusive": "⚠️"}
_LEFT_OUT = "\n\n_{} did not fit and stand in report.html._\n"


def format_summary(report_data: ReportData, analyses: dict[str, Any], title: str) -> str:
    """Return the step summary: at most 1 MiB."""
    return _fitted(_parts(report_data, analyses, title, LINES_IN_A_SUMMARY), SUMMARY_BYTES)


def format_comment(report_data: ReportData, analyses: dict[str, Any], title: str) -> str:
    """Return the comment: at most 64 kB."""
    return _fitted(_parts(report_data, analyses, title, LINES_IN_A_COMMENT), COMMENT_BYTES)


def _fitted(parts: Iterator[str], limit: int) -> str:
    """Join parts until one does not fit; say how many were left out."""
    kept: list[str] = []
    used, left_out = len(_LEFT_OUT.encode()) + 20, 0
    for part in parts:
        size = len(part.encode("utf-8", "replace")) + 2
        if left_out or used + size > limit:
            left_out += 1
            continue
        kept.append(part)
        used += size
    end = _LEFT_OUT.format(count_of(left_out, "part")) if left_out else "\n"
    return printable("\n\n".join(kept)) + end


def _parts(
    report_data: ReportData, analyses: dict[str, Any], title: str, lines: int
) -> Iterator[str]:
    gate = report_data.results["gate"]
    answer = f": gate {_ANSWERS.get(gate['answer'], gate['answer'])}" if gate else ""
    yield f"## {_plain(title)}{answer}"
    if gate:
        yield "\n".join(_condition_lines(gate))
    yield verdict_list(verdicts(report_data.results))
    yield _scores(report_data)
    yield from _lost_lines(report_data, lines)
    if silence := describe_silence(report_data.results["scores"]):
        yield "\n".join(f"- {_plain(each)}" for each in silence)
    yield from _analyses(analyses)
    if report_data.notes:
        yield "\n".join(f"> {_plain(note)}" for note in report_data.notes)


def _condition_lines(gate: dict[str, Any]) -> list[str]:
    """Return a line a condition, those that failed first."""
    order = ["regress", "inconclusive", "pass"]
    conditions = sorted(gate["conditions"], key=lambda each: order.index(each["answer"]))
    return [f"- {_MARKS[each['answer']]} {_plain(each['sentence'])}" for each in conditions]


def _scores(report_data: ReportData) -> str:
    """Return the table of scores, with what each model changes."""
    changes = {
        (each["model"], set_of(each)): each for each in reversed(report_data.results["comparisons"])
    }
    rows = []
    for score in report_data.results["scores"]:
        change = changes.get((score["model"], set_of(score)))
        rows.append(
            [
                _plain(set_of(score)),
                _plain(score["model"]),
                f"{score['metric'].upper()} {percent(score['rate'])}",
                percent_interval(score.get("interval")),
                _change(change),
                str(score.get("failed", 0) + score.get("missing", 0)),
            ]
        )
    header = ["test set", "model", "rate", "95 % interval", "against the baseline", "failed"]
    return markdown_table(header, rows, words=2)


def _change(change: dict[str, Any] | None) -> str:
    if change is None:
        return ""
    answer = answer_of(change)
    difference = change["difference"]
    if difference is None:
        return ""
    if answer == "identical":
        return answer
    mark = {"worse": " 🔴", "better": " 🟢"}.get(answer, " (may be chance)")
    return f"{points(difference)}{mark}"


def _lost_lines(report_data: ReportData, limit: int) -> Iterator[str]:
    """Yield the lines behind each regression, the largest regression first."""
    for view, model, baseline in regressed_first(report_data):
        found = losses(view, model, baseline, limit)
        if not found:
            continue
        what = f"more errors than {_plain(baseline)}" if baseline else "most errors"
        yield f"### {_plain(model)} on {_plain(view.name)}: where it has {what}"
        for loss in found:
            yield loss.to_markdown()


def _analyses(analyses: dict[str, Any]) -> Iterator[str]:
    """Yield each analysis, folded up."""
    for section in analyses["sections"]:
        tables = []
        for each in section["tables"]:
            rows = [[_cell(cell) for cell in row] for row in each["rows"][:ROWS_IN_A_TABLE]]
            table = markdown_table(
                [_plain(name) for name in each["header"]], rows, words=each.get("words", 1)
            )
            more = len(each["rows"]) - len(rows)
            note = f"\n\n{count_of(more, 'row')} more in report.html" if more > 0 else ""
            note += f"\n\n{_plain(each['note'])}" if each.get("note") else ""
            tables.append(f"**{_plain(each['title'])}**\n\n{table}{note}")
        if tables:
            head = f"<details><summary>{_plain(section['title'])}</summary>"
            yield "\n\n".join([head, section["about"], *tables, "</details>"])


def _cell(cell: Any) -> str:
    text = cell["text"] if isinstance(cell, dict) else cell
    return _plain("" if text is None else str(text))


def _plain(text: str) -> str:
    """Keep what people wrote from being taken as Markdown, HTML or a mention."""
    return markdown_text(text)
