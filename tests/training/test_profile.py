"""A profile's parts make up the step, and a run without one is not touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import finetune
from tests.training.test_run import flags, losses
from utils.training.profile import PARTS, StepProfile, TimedCollator


def profiled(model: Path, data: Path, output: Path, **more: object) -> dict:
    finetune.main(flags(model, data, output, profile=True, max_steps=8, save_steps=100, **more))
    return json.loads((output / "tiny" / "profile.json").read_text())


@pytest.mark.parametrize("workers", [0, 1])
def test_the_parts_make_up_the_step(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    workers: int,
) -> None:
    more = {"num_workers": workers, "gradient_accumulation_steps": 2, "eval_steps": 2}
    found = profiled(tiny_model, speech_manifest, tmp_path, **more)
    assert set(found["shares"]) == set(PARTS)
    assert sum(found["shares"].values()) == pytest.approx(1.0)
    assert all(share >= -1e-3 for share in found["shares"].values())
    never = {"features"} if workers else set()
    assert {part for part in PARTS if found["seconds"][part] == 0} == never
    assert (found["worker_feature_seconds"] > 0) == bool(workers)
    assert 0 < found["utilisation"] < 1
    said = capsys.readouterr().out
    assert "utilisation" in said
    assert all(part in said for part in PARTS)


def test_profiling_changes_no_loss(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utils.training.profile.MEASURED_STEPS", 2)
    profiled(tiny_model, speech_manifest, tmp_path / "profiled")
    finetune.main(
        flags(tiny_model, speech_manifest, tmp_path / "plain", max_steps=8, save_steps=100)
    )
    assert losses(tmp_path / "profiled" / "tiny") == losses(tmp_path / "plain" / "tiny")


def test_a_run_without_it_has_no_clock(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a clock was hung up")

    monkeypatch.setattr(StepProfile, "attach", fail)
    monkeypatch.setattr(TimedCollator, "__call__", fail)
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, max_steps=1))
    assert not (tmp_path / "tiny" / "profile.json").exists()
