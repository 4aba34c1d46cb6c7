"""What the demo's steps wrote, as one table, one picture and one summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cli.files import atomic_write
from utils.evaluation.results import read_results
from utils.report.figures.curves import draw_curves
from utils.report.tables import percent, percent_interval, text_table

METRICS = {"zh": "cer", "en": "wer"}
STEPS = ("base", "finetuned")  # of evaluation: before and after the training
HEADER = ("test set", "model", "error rate", "95 % interval", "substituted", "deleted", "inserted")

Scores = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Language -> `base`, `finetuned` or `merged` -> its score in results.json."""


@dataclass(frozen=True)
class Places:
    """Where the demo's model stands and where its steps write."""

    base: str
    out: str

    @property
    def run(self) -> str:
        """The training run."""
        return f"{self.out}/{Path(self.base).name}"

    @property
    def adapter(self) -> str:
        """The run's best adapter."""
        return f"{self.run}/checkpoint-best"

    @property
    def models(self) -> str:
        """The folder of the merged model."""
        return f"{self.out}/models"

    @property
    def merged(self) -> str:
        """The merged model."""
        return f"{self.models}/{Path(self.base).name}-finetune"

    @property
    def page(self) -> str:
        """The folder of the page with every utterance of both test sets."""
        return f"{self.out}/report"

    def report(self, step: str, language: str) -> str:
        """The folder of one evaluation's results and predictions."""
        return f"{self.out}/{step}-{language}"

    def written(self) -> list[tuple[str, str]]:
        """Everything that the demo wrote: what it is, and its path."""
        return [
            ("every utterance", f"{self.page}/report.html"),
            ("loss and error curves", f"{self.out}/curves.png"),
            ("summary", f"{self.out}/summary.json"),
            ("adapter", f"{self.adapter}/"),
            ("merged model", f"{self.merged}/"),
            ("log of the training", f"{self.run}/metrics.jsonl"),
            *(
                ("results, predictions", f"{self.report(step, language)}/")
                for step in STEPS
                for language in METRICS
            ),
        ]


def collect(places: Places) -> Scores:
    """Return the scores of all models from the results that the steps wrote.

    Raises:
        UserError: results are missing or damaged.
    """
    paths = {"base": places.base, "finetuned": places.adapter, "merged": places.merged}
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    for language in METRICS:
        found = {
            score["model_path"]: score
            for step in STEPS
            for score in read_results(f"{places.report(step, language)}/results.json")["scores"]
        }
        scores[language] = {model: found[path] for model, path in paths.items()}
    return scores


def format_table(scores: Scores) -> str:
    """Return the demo's table: models by test sets, with intervals and errors by kind."""
    rows = [
        [
            f"demo/{language}/test.jsonl",
            model,
            f"{METRICS[language].upper()} {percent(score['rate'])}",
            percent_interval(score["interval"]),
            *(str(score[kind]) for kind in ("substitutions", "deletions", "insertions")),
        ]
        for language, models in scores.items()
        for model, score in models.items()
    ]
    return text_table(HEADER, rows, words=2)


def write_outcome(places: Places, scores: Scores, seconds: float) -> None:
    """Write summary.json and the picture of the curves."""
    rates = {
        language: {model: score["rate"] for model, score in models.items()}
        for language, models in scores.items()
    }
    sets = {language: {"metric": METRICS[language], **rates[language]} for language in rates}
    with atomic_write(Path(places.out, "summary.json")) as file:
        json.dump({"sets": sets, "seconds": round(seconds, 1)}, file, indent=2)
    bars = {f"{language} {METRICS[language].upper()}": rates[language] for language in rates}
    draw_curves({"demo": f"{places.run}/metrics.jsonl"}, f"{places.out}/curves.png", bars=bars)
