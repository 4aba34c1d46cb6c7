"""checkpoint-best names what it is the best of, and does not outlive the course it belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import finetune
from tests.training.test_run import flags, metrics
from utils.model.checksums import find_damage
from utils.training.resume.best import BEST_FILE, read_best_file, set_aside_stale_best

IDENTITY = {"learning_rate": 0.1, "dev manifest (SHA-256)": "a" * 64}


def best_of(run: Path, step: int, **identity: Any) -> Path:
    """A folder as a run leaves it, but for its weights."""
    folder = run / "checkpoint-best"
    folder.mkdir(parents=True)
    content = {"schema": 1, "step": step, "identity": {**IDENTITY, **identity}}
    (folder / BEST_FILE).write_text(json.dumps(content))
    return folder


def test_the_best_of_the_same_course_stays(tmp_path: Path) -> None:
    best = best_of(tmp_path, 80)
    assert not set_aside_stale_best(tmp_path, IDENTITY, None)  # killed: step 80 comes again
    assert not set_aside_stale_best(tmp_path, IDENTITY, 80)
    assert best.is_dir()
    assert not set_aside_stale_best(tmp_path / "empty", IDENTITY, 3)


@pytest.mark.parametrize(
    ("now", "back_to", "reason"),
    [
        ({}, 40, "it is of step 80, and the run goes back to step 40"),
        ({"learning_rate": 0.2}, None, "other settings or another dev set (learning_rate: 0.1 ->"),
        ({"dev manifest (SHA-256)": "b" * 64}, 80, "(dev manifest (SHA-256): aaaaaaaaaaaa... ->"),
    ],
)
def test_the_best_of_another_course_is_set_aside_and_said(
    tmp_path: Path,
    now: dict[str, Any],
    back_to: int | None,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    best_of(tmp_path, 80)
    (tmp_path / "candidates").mkdir()
    assert set_aside_stale_best(tmp_path, {**IDENTITY, **now}, back_to)
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint-best.set-aside",
        "candidates.set-aside",
    }
    told = capsys.readouterr().err
    assert "checkpoint-best is set aside as checkpoint-best.set-aside: " in told
    assert reason in " ".join(told.split())
    best_of(tmp_path, 80)
    assert set_aside_stale_best(tmp_path, {**IDENTITY, **now}, back_to)
    assert (tmp_path / "checkpoint-best.set-aside1").is_dir()


def test_a_run_that_goes_back_with_other_settings_has_a_best_of_its_own(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more: dict[str, object] = {"eval_steps": 1, "save_steps": 1, "eval_on_start": True}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, learning_rate=0.05, **more))
    run = tmp_path / "tiny"
    first = read_best_file(run / "checkpoint-best")
    assert first is not None
    errors = {line["step"]: line["dev_cer"] for line in metrics(run) if "dev_cer" in line}
    assert (first["step"], first["error"]) == min(
        ((step, error) for step, error in errors.items()), key=lambda pair: (pair[1], pair[0])
    )
    assert first["metric"] == "cer"
    assert first["dev"]["dev utterances"] == 9
    assert first["identity"] == json.loads((run / "run.json").read_text())["identity"]
    assert find_damage(run / "checkpoint-best") is None
    capsys.readouterr()
    again = {**more, "resume_from_checkpoint": run / "checkpoint-1"}
    changed = {"learning_rate": 1e-6, "allow_changed_settings": True}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **again, **changed))
    assert "checkpoint-best is set aside as checkpoint-best.set-aside" in capsys.readouterr().err
    second = read_best_file(run / "checkpoint-best")
    assert second is not None
    assert second["identity"]["learning_rate"] == 1e-6
    assert second["step"] > 1
    assert read_best_file(run / "checkpoint-best.set-aside") == first


def test_a_damaged_best_of_a_finished_run_is_written_again(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = flags(tiny_model, speech_manifest, tmp_path)
    finetune.main(command)
    run = tmp_path / "tiny"
    weights = run / "checkpoint-best" / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    capsys.readouterr()
    finetune.main(command)
    told = capsys.readouterr()
    assert "checkpoint-best is damaged: the content of adapter_model.safetensors" in told.err
    assert "nothing to do" not in told.out
    assert find_damage(run / "checkpoint-best") is None
    assert (run / "checkpoint-best.damaged").is_dir()
    finetune.main(command)
    assert "nothing to do" in capsys.readouterr().out
