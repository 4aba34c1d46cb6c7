"""Killed with -9 and started again by the same command, a run ends with the same bytes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.soak import comparable_metrics
from tests.training.resume.killing import train
from tests.training.test_run import AUGMENTATION, flags
from utils.model.folders import checkpoints

MORE = {
    "max_steps": 12,
    "save_steps": 3,
    "eval_steps": 4,
    "logging_steps": 2,
    "save_total_limit": 2,
    "gradient_accumulation_steps": 2,
    "per_device_train_batch_size": 2,
    "lora_dropout": 0.2,
    "lora_rank": 2,
    "learning_rate": 0.02,
    "use_adalora": True,
}


@pytest.fixture(scope="module")
def augmentation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("augmentation") / "augmentation.json"
    path.write_text(json.dumps(AUGMENTATION))
    return path


@pytest.fixture(scope="module")
def undisturbed(
    tiny_model: Path,
    speech_manifest: Path,
    augmentation: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    arguments = flags(tiny_model, speech_manifest, folder, **MORE, augment_config_path=augmentation)
    assert train(arguments, folder / "log.txt") == 0, (folder / "log.txt").read_text()[-3000:]
    return folder / "tiny"


@pytest.fixture
def arguments(
    tiny_model: Path, speech_manifest: Path, augmentation: Path, tmp_path: Path
) -> list[str]:
    """The same run in a folder of this test's own."""
    return flags(tiny_model, speech_manifest, tmp_path, **MORE, augment_config_path=augmentation)


def assert_same(found: Path, expected: Path) -> None:
    for name in ("checkpoint-best", "checkpoint-final", "checkpoint-12"):
        for file in ("adapter_model.safetensors", "adapter_config.json", "adalora.safetensors"):
            if (expected / name / file).exists():
                same = (found / name / file).read_bytes() == (expected / name / file).read_bytes()
                assert same, f"{name}/{file}"
    assert comparable_metrics(found) == comparable_metrics(expected)


@pytest.mark.timeout(600)
def test_killed_wherever_a_file_gets_its_name(
    undisturbed: Path, arguments: list[str], tmp_path: Path
) -> None:
    # The first makes the settings, data and models known, and ends after a first checkpoint.
    for kill_at in (34, 21, 18, 24, 13, 17):
        code = train(arguments, tmp_path / "log.txt", kill_at)
        if code == 0:
            break
        assert code == -9, (tmp_path / "log.txt").read_text()[-3000:]
    assert train(arguments, tmp_path / "log.txt") == 0, (tmp_path / "log.txt").read_text()[-3000:]
    said = (tmp_path / "log.txt").read_text()
    assert "going on     from" in said
    assert_same(tmp_path / "tiny", undisturbed)
    assert not [path for path in (tmp_path / "tiny").iterdir() if path.name.startswith(".")]


def test_a_damaged_checkpoint_and_an_old_best_do_not_show_in_the_end(
    undisturbed: Path, arguments: list[str], tmp_path: Path
) -> None:
    assert train(arguments, tmp_path / "log.txt", kill_at=34) == -9
    run = tmp_path / "tiny"
    found = checkpoints(run)
    assert found, (tmp_path / "log.txt").read_text()[-3000:]
    os.truncate(found[-1] / "optimizer.pt", 1000)
    assert train(arguments, tmp_path / "log.txt") == 0, (tmp_path / "log.txt").read_text()[-3000:]
    said = (tmp_path / "log.txt").read_text()
    assert f"{found[-1]} is damaged: optimizer.pt has 1000 bytes" in said
    assert_same(run, undisturbed)
