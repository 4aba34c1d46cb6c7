"""The curves of the trainings that the models came from, where their logs still are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.report.figures.curves import read_metrics
from utils.report.report_data import ReportData

LOG = "metrics.jsonl"
_SHOWN = ("step", "loss", "dev_cer", "dev_wer")


def find_curves(report_data: ReportData) -> list[dict[str, Any]]:
    """Return [{"name", "events"}] of the models that lie in a run folder or are one."""
    curves: dict[str, list[dict[str, Any]]] = {}
    for score in report_data.results["scores"]:
        path = score.get("model_path")
        folders = [Path(path), Path(path).parent] if path else []
        log = next((f / LOG for f in folders if (f / LOG).is_file()), None)
        if log is None or score["model"] in curves:
            continue
        try:
            events = read_metrics(log)
        except UserError:
            continue  # a damaged log is no reason to make no report
        curves[score["model"]] = [
            {name: event[name] for name in _SHOWN if event.get(name) is not None}
            for event in events
            if event.get("step") is not None
        ]
    return [{"name": name, "events": events} for name, events in curves.items()]
