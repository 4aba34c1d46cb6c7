"""What `--audio_context=auto` takes for a model that does not say what it was trained for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from utils.evaluation import audio_context as module
from utils.evaluation.audio_context import suited_context
from utils.evaluation.models_and_sets import Model, TestSet, find_models, read_test_sets
from utils.evaluation.settings import EvaluationSettings
from utils.model.fingerprint import model_fingerprint
from utils.transcription.engines.registry import Engine, open_engine


@pytest.fixture
def test_set(repository: Path, tmp_path: Path) -> TestSet:
    data = repository / "demo" / "zh" / "test.jsonl"
    settings = EvaluationSettings(test_data=str(data), language="zh", report_dir=str(tmp_path))
    return read_test_sets(settings)[0]


def model_at(folder: Path) -> Model:
    return find_models([str(folder)], ["test"], baselines=0)[0]


def never() -> Engine:
    raise AssertionError("the model was loaded")


@pytest.fixture(scope="module")
def unsaid(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model, as from the hub: it does not say what it was trained for."""
    folder = tmp_path_factory.mktemp("models") / "unsaid"
    shutil.copytree(demo_model, folder)
    generation = json.loads((folder / "generation_config.json").read_text("utf-8"))
    del generation["audio_context"]
    (folder / "generation_config.json").write_text(json.dumps(generation), "utf-8")
    return folder


def test_thinned_windows_are_taken_and_said_and_remembered(
    unsaid: Path, test_set: TestSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, cache = model_at(unsaid), tmp_path / "cache"
    known = model_fingerprint(str(unsaid))
    capsys.readouterr()
    found = suited_context(lambda: open_engine(str(unsaid)), model, test_set, cache, known)
    first = capsys.readouterr().out
    assert found == "thinned"
    assert first.startswith(f"windows      {model.name} on test: thinned: on 8 transcripts")
    assert "--audio_context=full" in first
    assert suited_context(never, model, test_set, cache, known) == "thinned"
    assert capsys.readouterr().out == first


def test_what_a_model_says_itself_is_taken_without_a_word(
    demo_model: Path, test_set: TestSet, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_at(demo_model)
    capsys.readouterr()
    assert suited_context(lambda: open_engine(str(demo_model)), model, test_set, None, None) == (
        "auto"
    )
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("name", "value"), [("FEWEST_CLIPS", 10_000), ("LONGEST_MEAN", 0.5)])
def test_nothing_is_looked_at_where_little_can_be_saved(
    name: str,
    value: float,
    unsaid: Path,
    test_set: TestSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, name, value)
    assert suited_context(never, model_at(unsaid), test_set, None, None) == "auto"


def test_a_converted_model_is_not_asked(ct2_model: Path, test_set: TestSet) -> None:
    assert suited_context(never, model_at(ct2_model), test_set, None, None) == "auto"
