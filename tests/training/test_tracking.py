"""What trackers get beside the numbers, by the trackers' own packages where they are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.scoring.predictions import Prediction
from utils.training.tracking.transcripts import EXAMPLES, SINKS, Example, as_text, fixed_examples

SHOWN = [Example("a", "turn it\noff", "turn off"), Example("b", "", "")]


def predictions(count: int, hypothesis: str) -> list[Prediction]:
    return [Prediction(f"u{i}", f"reference {i}", f"{hypothesis} {i}") for i in range(count)]


def test_the_examples_are_fixed_and_from_all_over_the_set():
    first, later = (fixed_examples(predictions(95, text)) for text in ("early", "late"))
    assert [each.id for each in first] == [each.id for each in later]
    assert [each.id for each in first] == [f"u{i * 95 // 10}" for i in range(EXAMPLES)]
    assert later[0] == Example("u0", "reference 0", "late 0")
    assert len(fixed_examples(predictions(3, "few"))) == 3
    assert fixed_examples([]) == []


def test_a_text_has_a_line_each_for_reference_and_hypothesis():
    assert as_text(SHOWN).split("\n") == [
        *("a", "  REF  turn it off", "  HYP  turn off"),
        *("b", "  REF  (nothing)", "  HYP  (nothing)"),
    ]


def test_mlflow_gets_texts_of_an_open_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # mlflow-skinny brings no database
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    SINKS["mlflow"]("settings", "seed: 1", 0, [])
    assert mlflow.active_run() is None  # none was begun
    experiment = mlflow.create_experiment("e", artifact_location=(tmp_path / "files").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        SINKS["mlflow"]("settings", "seed: 1", 0, [])
        SINKS["mlflow"]("dev_examples", as_text(SHOWN), 7, SHOWN)
    (written,) = tmp_path.glob("files/*/artifacts/dev_examples/step-7.txt")
    assert written.read_text(encoding="utf-8") == as_text(SHOWN)
    assert (written.parent.parent / "settings.yaml").read_text(encoding="utf-8") == "seed: 1"


def test_wandb_gets_a_table_and_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    SINKS["wandb"]("settings", "seed: 1", 0, [])  # no run is open: nothing happens
    run = wandb.init(mode="offline", dir=str(tmp_path), project="p")
    SINKS["wandb"]("settings", "seed: 1", 0, [])
    SINKS["wandb"]("dev_examples", as_text(SHOWN), 7, SHOWN)
    assert run.config["settings"] == "seed: 1"
    assert run.summary["dev_examples"]["nrows"] == 2
    run.finish()
