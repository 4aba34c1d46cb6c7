"""A model card: what was scored, how, and the metadata that model hubs read (`model-index`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from utils.cli.console import printable
from utils.evaluation.results import set_of
from utils.manifest.languages import LANGUAGES
from utils.report.markdown import verdict_list
from utils.report.report_data import ReportData, SetView
from utils.report.tables import markdown_table, markdown_text, percent, percent_interval
from utils.report.verdict import verdicts

_TASK = {"type": "automatic-speech-recognition", "name": "Automatic Speech Recognition"}
_LIMITS = """\
The rates hold for speech like that of these test sets. They say nothing of other languages, rooms
or speakers. Whisper can hallucinate fluent text where there is no speech; the report counts it."""


def format_model_card(report_data: ReportData) -> str:
    """Return the card of the models in question, Markdown with a YAML head."""
    # Systems that were scored on meetings alone are no models of the hub.
    scored = {name for view in report_data.sets for name in view.described}
    asked = [name for name in report_data.models if name not in report_data.baselines]
    names = [name for name in asked if name in scored]
    languages = sorted({code for view in report_data.sets for code in _languages(view)})
    head: dict[str, Any] = {
        "language": [code for code in languages if code in LANGUAGES],
        "library_name": "transformers",
        "pipeline_tag": _TASK["type"],
        "tags": ["whisper", *(["peft"] if _is_adapter(report_data, names) else [])],
        "metrics": sorted({view.metric for view in report_data.sets if view.metric != "mer"}),
        "model-index": [_index_entry(report_data, name) for name in names],
    }
    yaml_head = yaml.safe_dump(
        {key: value for key, value in head.items() if value}, sort_keys=False, allow_unicode=True
    )
    if printable(yaml_head) != yaml_head:
        yaml_head = yaml.safe_dump(yaml.safe_load(yaml_head), sort_keys=False)
    sections = [f"---\n{yaml_head}---", *(_section(report_data, name) for name in names)]
    return printable("\n\n".join([*sections, "## Limits", _LIMITS]) + "\n")


def _languages(view: SetView) -> set[str]:
    """Return those of the set itself; what a model detected stands in only where none is stated."""
    found = set()
    for each in view.lines:
        stated = view.utterances.get(each.id)
        found.add((stated and stated.language) or each.language or "")
    return found - {""}


def _is_adapter(report_data: ReportData, names: Sequence[str]) -> bool:
    paths = [s.get("model_path", "") for s in report_data.results["scores"] if s["model"] in names]
    return any(Path(path, "adapter_config.json").is_file() for path in paths if path)


def _index_entry(report_data: ReportData, name: str) -> dict[str, Any]:
    results = []
    for view in report_data.sets:
        score = view.described.get(name)
        if score is None or score["rate"] is None:
            continue
        results.append(
            {
                "task": dict(_TASK),
                "dataset": {"type": view.name, "name": view.name, "split": "test"},
                "metrics": [
                    {
                        "type": view.metric,
                        "name": view.metric.upper(),
                        "value": round(100 * score["rate"], 4),
                        "args": {"normalizer": score["normalizer"]},
                    }
                ],
            }
        )
    return {"name": name, "results": results}


def _section(report_data: ReportData, name: str) -> str:
    rows = [_row(view, name, report_data) for view in report_data.sets if name in view.described]
    header = ["test set", "utterances", "rate", "95 % interval", "before", "normalizer"]
    described = next(v.described[name] for v in report_data.sets if name in v.described)
    table = markdown_table(header, rows, words=1)
    said = verdict_list([each for each in verdicts(report_data.results) if each.model == name])
    return "\n".join([f"# {markdown_text(name)}", "", said, "", table, "", *_origin(described)])


def _row(view: SetView, name: str, report_data: ReportData) -> list[str]:
    score = view.described[name]
    before = next(
        (
            f"{percent(view.described[each['baseline']]['rate'])} ({each['baseline']})"
            for each in report_data.results["comparisons"]
            if each["model"] == name
            and set_of(each) == view.name
            and each["baseline"] in view.described
        ),
        "",
    )
    return [
        view.name,
        str(score["utterances"]),
        f"{view.metric.upper()} {percent(score['rate'])}",
        percent_interval(score.get("interval")),
        before,
        score["normalizer"],
    ]


def _origin(score: Mapping[str, Any]) -> list[str]:
    """Say what was scored and how."""
    decoding = ", ".join(f"{k}={v}" for k, v in (score.get("decoding") or {}).items())
    facts = [
        ("weights", score.get("model_sha256") and f"`sha256:{score['model_sha256']}`"),
        ("decoding", decoding),
    ]
    return [f"- {what}: {value}" for what, value in facts if value]
