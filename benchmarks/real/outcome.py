"""What the runs measured, in one JSON object and one table."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.real.commands import DEMO_BASE, Job, base_path
from utils.evaluation.results import read_results
from utils.manifest.read import read_manifest
from utils.report.figures.curves import read_metrics
from utils.report.tables import percent, percent_interval, text_table
from utils.scoring.predictions import read_predictions

LIBRARIES = ("torch", "transformers", "peft")
KEPT = (
    *("metric", "normalizer", "rate", "errors", "substitutions", "deletions", "insertions"),
    *("reference_tokens", "utterances", "failed", "interval"),
)
HEADER = (
    *("test part", "model", "rate", "95 % interval"),
    *("substituted", "deleted", "inserted", "of"),
)
EXAMPLES = 6


def measurements(jobs: Sequence[Job]) -> dict[str, Any]:
    """Return the machine, the versions, and everything that the runs of the sets measured."""
    return {
        "schema": 1,
        "machine": {"cpu": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "trainings": [_training(job) for job in jobs],
        "scores": [score for job in jobs for score in _scores(job)],
        "examples": [example for job in jobs for example in _examples(job)],
        "commands": [f"python {shlex.join(step)}" for job in jobs for step in job.commands()],
    }


def score_rows(found: dict[str, Any]) -> list[list[str]]:
    """Return the cells of one line for each score."""
    return [
        [
            score["set"],
            score["model"],
            f"{score['metric'].upper()} {percent(score['rate'])}",
            percent_interval(score["interval"]),
            *(str(score[kind]) for kind in ("substitutions", "deletions", "insertions")),
            str(score["reference_tokens"]),
        ]
        for score in found["scores"]
    ]


def score_table(found: dict[str, Any]) -> str:
    """Return the table of all scores for a terminal."""
    return text_table(HEADER, score_rows(found), words=2)


def markdown_lines(found: dict[str, Any]) -> list[str]:
    """Return every line of docs/results.md that holds figures: scores, trainings, examples."""
    lines = [f"| {' | '.join(row)} |" for row in score_rows(found)]
    for training in found["trainings"]:
        lines.append(
            f"| {training['set']} | {training['hours']:.2f} h, {training['utterances']} utterances "
            f"| {training['steps']} | {training['minutes']:.1f} min "
            f"| {percent(training['dev'][0]['rate'])} | {percent(training['best']['rate'])} "
            f"at step {training['best']['step']} |"
        )
    for example in found["examples"]:
        said = " | ".join(example[name] for name in ("reference", "base", "fine-tuned"))
        lines.append(f"| {said} |")
    return lines


def _names(job: Job) -> dict[str, str]:
    return {
        DEMO_BASE: "demo base",
        str(base_path(job.work_dir)): "base",
        str(job.merged): "fine-tuned",
    }


def _scores(job: Job) -> list[dict[str, Any]]:
    return [
        {
            "set": job.real.language,
            "model": _names(job)[score["model_path"]],
            **{name: score[name] for name in KEPT},
        }
        for metric in job.real.metrics
        for score in read_results(job.scores(metric) / "results.json")["scores"]
    ]


def _training(job: Job) -> dict[str, Any]:
    """Return how long one run trained, on what, and how its dev error went."""
    events = read_metrics(job.run / "metrics.jsonl")
    error = f"dev_{job.real.metrics[0]}"
    dev = [{"step": e["step"], "rate": e[error]} for e in events if error in e]
    train = read_manifest(job.manifest("train")).utterances
    return {
        "set": job.real.language,
        "utterances": len(train),
        "hours": round(sum(item.duration or 0.0 for item in train) / 3600, 2),
        "steps": max(event["step"] for event in events),
        "minutes": round(max(e.get("seconds", 0.0) for e in events) / 60, 1),
        "dev": dev,
        "best": min(dev, key=lambda point: point["rate"]),
    }


def _examples(job: Job) -> list[dict[str, str]]:
    """Return some test lines as each model wrote them: evenly from the whole test part."""
    scores = read_results(job.scores(job.real.metrics[0]) / "results.json")["scores"]
    said = {
        _names(job)[score["model_path"]]: read_predictions(score["predictions"]) for score in scores
    }
    tuned = said["fine-tuned"]
    chosen = range(0, len(tuned), max(1, len(tuned) // EXAMPLES))
    return [
        {
            "set": job.real.language,
            "id": tuned[at].id,
            "reference": tuned[at].reference,
            "base": said["base"][at].hypothesis,
            "fine-tuned": tuned[at].hypothesis,
        }
        for at in list(chosen)[:EXAMPLES]
    ]


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
