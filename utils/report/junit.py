"""The report as JUnit XML, which most systems of continuous integration show as tests.

Every condition of the gate is a test, and so is every score: it fails where something could not be
transcribed. Without a gate nothing was asked of the scores, and they are marked as skipped.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from utils.evaluation.results import set_of
from utils.report.report_data import ReportData
from utils.report.tables import percent
from utils.report.worst import losses, pairs_of

LINES_SHOWN = 20
# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def format_junit(report_data: ReportData, title: str) -> str:
    """Return the report as a JUnit file."""
    root = ElementTree.Element("testsuites", name=_legal(title))
    gate = report_data.results["gate"]
    if gate:
        _suite(root, "gate", [_condition(report_data, each) for each in gate["conditions"]])
    _suite(root, "scores", [_score(each, bool(gate)) for each in report_data.results["scores"]])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _suite(
    root: ElementTree.Element, name: str, cases: list[ElementTree.Element]
) -> ElementTree.Element:
    counts = {
        tag: sum(case.find(tag) is not None for case in cases) for tag in ("failure", "skipped")
    }
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(counts["failure"]),
        skipped=str(counts["skipped"]),
        errors="0",
    )
    suite.extend(cases)
    return suite


def _condition(report_data: ReportData, condition: dict[str, Any]) -> ElementTree.Element:
    where = f"gate.{condition['test_set'] or 'all'}.{condition['model']}"
    case = ElementTree.Element(
        "testcase", classname=_legal(where), name=_legal(condition["condition"])
    )
    sentence = _legal(condition["sentence"])
    if condition["answer"] == "regress":
        failure = ElementTree.SubElement(case, "failure", message=sentence)
        failure.text = _legal("\n".join(_lines_behind(report_data, condition)))
    elif condition["answer"] == "inconclusive":
        # Neither passed nor failed; the exit code says so too.
        ElementTree.SubElement(case, "skipped", message=sentence)
    else:
        ElementTree.SubElement(case, "system-out").text = sentence
    return case


def _lines_behind(report_data: ReportData, condition: dict[str, Any]) -> list[str]:
    """Return the utterances that made a condition fail, worst first."""
    lines = []
    for view, model, baseline in pairs_of(report_data):
        if model == condition["model"] and view.name == condition["test_set"]:
            for loss in losses(view, model, baseline, LINES_SHOWN):
                line = loss.utterance
                lines.append(
                    f"{line.id}: +{loss.more}\n  REF {line.reference}\n  HYP {line.hypothesis}"
                )
    return lines


def _score(score: dict[str, Any], has_gate: bool) -> ElementTree.Element:
    metric = score["metric"].upper()
    case = ElementTree.Element(
        "testcase",
        classname=_legal(f"scores.{set_of(score)}"),
        name=_legal(f"{score['model']}: {metric} {percent(score['rate'])}"),
    )
    lost = score.get("failed", 0) + score.get("missing", 0)
    if lost:
        message = f"{lost} of {score['utterances']} utterances have no transcript"
        ElementTree.SubElement(case, "failure", message=message)
    elif not has_gate:
        message = "no gate was given: the score is reported, not judged (--gate of evaluation.py)"
        ElementTree.SubElement(case, "skipped", message=message)
    return case


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
