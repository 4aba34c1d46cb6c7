"""On an NVIDIA GPU: training in bf16, its memory, and how much of the device it uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import finetune
import finetune_all
from benchmarks.memory import Case, in_a_process
from tests.training.test_run import flags, losses
from utils.model.load import load_model
from utils.model.precision import Precision
from utils.training.memory.probe import MemoryProbe

pytestmark = [pytest.mark.requires_cuda, pytest.mark.timeout(600)]


@pytest.mark.parametrize("script", [finetune.main, finetune_all.main], ids=["lora", "full"])
def test_a_bf16_run_learns(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, script: object
) -> None:
    more = {"bf16": True, "max_steps": 8, "save_steps": 100, "learning_rate": 1e-3}
    script(flags(tiny_model, speech_manifest, tmp_path, profile=True, **more))  # type: ignore
    found = losses(tmp_path / "tiny")
    assert found[-1] < found[0]
    profile = json.loads((tmp_path / "tiny" / "profile.json").read_text())
    assert profile["precision"] == "bf16"
    assert 0 < profile["utilisation"] < 1


def test_the_probe_stops_short_of_the_devices_memory(tiny_model: Path) -> None:
    model = load_model(str(tiny_model)).model.cuda()
    budget = 200_000_000
    probe = MemoryProbe(model, tokens=8, precision=Precision(bf16=True), budget=budget)
    fits = probe.largest_batch(10.0, 4096)
    assert 0 < fits < 4096
    assert probe._trial(fits, 1000) <= 1.1 * budget


def case(kind: str, batch: int) -> dict[str, float]:
    shape = {"window": 30.0, "batch": batch, "tokens": 64, "steps": 5, "loss_chunk": 256}
    return in_a_process(Case("large-v3", kind, gradient_checkpointing=True, **shape))


def test_large_v3_trains_within_the_memory_of_common_gpus() -> None:
    assert case("lora", 4)["peak_bytes"] < 12e9
    assert case("full_8bit", 8)["peak_bytes"] < 40e9


def test_full_fine_tuning_uses_the_device() -> None:
    if torch.cuda.get_device_properties(0).total_memory < 70e9:
        pytest.skip("the goal is set for a large GPU")
    shape = {"window": 30.0, "batch": 16, "tokens": 64, "steps": 5, "loss_chunk": 256}
    found = in_a_process(Case("large-v3", "full_8bit", gradient_checkpointing=False, **shape))
    assert found["utilisation"] > 0.45
