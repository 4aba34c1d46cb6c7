"""Bases that do not say how they were trained: whether their windows are cut is measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import finetune
from utils.model.load import load_model
from utils.training.cut_windows import is_as_good


@pytest.fixture
def silent_base(tiny_model: Path, tmp_path: Path) -> Path:
    """A base model whose files say nothing of its windows, as those on the hub."""
    folder = tmp_path / "base"
    shutil.copytree(tiny_model, folder)
    path = folder / "generation_config.json"
    known = json.loads(path.read_text())
    known.pop("audio_context", None)
    path.write_text(json.dumps(known))
    return folder


def train(base: Path, data: Path, output: Path, **more: object) -> Path:
    """A short run; its folder."""
    names = {
        **{"base_model": base, "train_data": data, "dev_data": data, "output_dir": output},
        **{"max_steps": 2, "save_steps": 1, "eval_steps": 2, "num_workers": 0},
        **{"warmup_steps": 0, "eval_on_start": False, **more},
    }
    finetune.main([f"--{name}={value}" for name, value in names.items()])
    return output / base.name


@pytest.mark.parametrize(
    ("cut", "full", "as_good"),
    [
        (0.1, 0.1, True),
        (0.0, 0.5, True),
        (0.109, 0.1, True),
        (0.12, 0.1, False),
        (2.26, 0.047, False),
        (0.009, 0.0, True),
        (0.02, 0.0, False),
    ],
)
def test_a_little_more_error_is_chance(cut: float, full: float, as_good: bool) -> None:
    assert is_as_good(cut, full) is as_good


def test_windows_are_cut_where_the_base_hears_as_well_on_them(
    silent_base: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(silent_base, speech_manifest, tmp_path / "out")
    said = capsys.readouterr().out
    context = load_model(str(run / "checkpoint-final")).audio_context
    assert f"windows      {'mixed' if context == 'mixed' else '30 s'}: on 9 dev utterances" in said
    # What was measured once holds to the end of the run.
    shutil.rmtree(run / "checkpoint-2")
    train(silent_base, speech_manifest, tmp_path / "out", resume_from_checkpoint="auto")
    assert "windows  " not in capsys.readouterr().out
    assert load_model(str(run / "checkpoint-final")).audio_context == context


@pytest.mark.parametrize(("cut", "full", "chosen"), [(2.26, 0.047, "full"), (0.05, 0.047, "mixed")])
def test_the_errors_decide(
    silent_base: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    cut: float,
    full: float,
    chosen: str,
) -> None:
    # No model small enough for a test is deaf on cut windows alone.
    rates = {"dynamic": cut, "full": full}
    monkeypatch.setattr("utils.training.cut_windows._error_rate", lambda *given: rates[given[-1]])
    run = train(silent_base, speech_manifest, tmp_path / "out", max_steps=1)
    assert load_model(str(run / "checkpoint-final")).audio_context == chosen
    advised = "--context_match_steps=300 teaches it cut windows" in capsys.readouterr().out
    assert advised is (chosen == "full")


def test_long_clips_are_not_worth_a_question(
    silent_base: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"max_steps": 1, "context_margin": 27}
    run = train(silent_base, speech_manifest, tmp_path / "out", **more)
    assert "cutting them to the speech would save" in capsys.readouterr().out
    assert load_model(str(run / "checkpoint-final")).audio_context == "full"


def test_preparing_for_cut_windows_is_an_answer(
    silent_base: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"max_steps": 1, "context_match_steps": 1}
    run = train(silent_base, speech_manifest, tmp_path / "out", **more)
    assert "windows  " not in capsys.readouterr().out
    assert load_model(str(run / "checkpoint-final")).audio_context == "mixed"
