"""Bases that do not say how they were trained: whether their windows are cut is measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import finetune
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.model.audio_context.choice import ContextLosses
from utils.model.load import load_model


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
    ("other", "full", "as_good"),
    [
        (1.0, 1.0, True),
        (0.4, 0.5, True),
        (1.01, 1.0, True),
        (2.27, 2.24, False),
        (2.0, 0.7, False),
        (0.01, 0.0, True),
        (0.03, 0.0, False),
        (float("nan"), 1.0, False),
    ],
)
def test_a_little_more_loss_is_chance(other: float, full: float, as_good: bool) -> None:
    assert ContextLosses(8, full, other, other).is_as_good("dynamic") is as_good
    assert ContextLosses(8, full, other, other).is_as_good("thinned") is as_good


def test_without_a_transcript_nothing_is_as_good() -> None:
    assert not ContextLosses(0, 0.0, 0.0, 0.0).is_as_good("dynamic")


def test_the_context_is_measured_once_and_kept(
    silent_base: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(silent_base, speech_manifest, tmp_path / "out")
    said = capsys.readouterr().out
    context = load_model(str(run / "checkpoint-final")).audio_context
    named = {"mixed": "mixed", "thinned": "thinned", "full": "30 s"}[context]
    assert f"windows      {named}: on 8 transcripts" in said
    # What was measured once holds to the end of the run.
    shutil.rmtree(run / "checkpoint-2")
    train(silent_base, speech_manifest, tmp_path / "out", resume_from_checkpoint="auto")
    assert "windows  " not in capsys.readouterr().out
    assert load_model(str(run / "checkpoint-final")).audio_context == context


@pytest.mark.parametrize(
    ("cut", "thinned", "full", "chosen"),
    [
        (2.26, 1.3, 1.0, "full"),
        (2.26, 1.01, 1.0, "thinned"),
        (1.01, 1.3, 1.0, "mixed"),
    ],
)
def test_the_losses_decide(
    silent_base: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    cut: float,
    thinned: float,
    full: float,
    chosen: str,
) -> None:
    # No model small enough for a test needs the silence.
    losses = ContextLosses(8, full, cut, thinned)
    probe = "utils.training.audio_context.probe.context_losses"
    monkeypatch.setattr(probe, lambda *_, **__: losses)
    run = train(silent_base, speech_manifest, tmp_path / "out", max_steps=1)
    assert load_model(str(run / "checkpoint-final")).audio_context == chosen
    told = capsys.readouterr().out
    named = {"mixed": "mixed", "thinned": "thinned", "full": "30 s"}[chosen]
    assert f"windows      {named}: {losses}" in told
    assert "1.00 nats a token on windows of 30 s" in told


def test_long_clips_are_not_worth_a_question(
    silent_base: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"max_steps": 1, "context_margin": 27}
    run = train(silent_base, speech_manifest, tmp_path / "out", **more)
    assert "leaving out silence would save" in capsys.readouterr().out
    assert load_model(str(run / "checkpoint-final")).audio_context == "full"


def test_preparing_for_cut_windows_is_an_answer(
    silent_base: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"max_steps": 1, "context_match_steps": 1}
    run = train(silent_base, speech_manifest, tmp_path / "out", **more)
    assert "windows  " not in capsys.readouterr().out
    assert load_model(str(run / "checkpoint-final")).audio_context == "mixed"


def test_what_is_learned_on_thinned_windows_is_learned_on_30_s_ones(
    demo_model: Path, tmp_path: Path
) -> None:
    clips = list(read_manifest(demo_model.parent / "zh" / "dev.jsonl"))[:4]
    data = tmp_path / "data.jsonl"
    lines = [{"audio": {"path": each.audio.path}, "sentence": each.sentence} for each in clips]
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    losses = {}
    for context in ("full", "thinned", "dynamic"):
        more = {"audio_context": context, "logging_steps": 1, "per_device_train_batch_size": 4}
        run = train(demo_model, data, tmp_path / context, **more)
        logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        losses[context] = [x[name] for x in logged for name in ("loss", "dev_loss") if name in x]
        loaded = load_model(str(run / "checkpoint-final"))
        assert loaded.audio_context == context
    assert len(losses["thinned"]) == 3  # of two steps and the dev set after them
    assert losses["thinned"] == pytest.approx(losses["full"], rel=0.01)
    assert losses["dynamic"] != pytest.approx(losses["full"], rel=0.01)


@pytest.mark.parametrize("aid", ["context_match_steps", "context_warmup_steps"])
def test_thinned_windows_need_no_preparation(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, aid: str
) -> None:
    with pytest.raises(UserError, match="audio_context=thinned trains on windows of 30 s"):
        train(tiny_model, speech_manifest, tmp_path, audio_context="thinned", **{aid: 3})
