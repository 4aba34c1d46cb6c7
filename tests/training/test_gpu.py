"""On an NVIDIA GPU: training in bf16, its memory, and how much of the device it uses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import finetune
import finetune_all
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


def step(repository: Path, output: Path, kind: str, batch: int, checkpointing: bool) -> Any:
    """Measure a training step of large-v3's shape; return what the script wrote about it."""
    shape = ["--sizes=large-v3", "--windows=30", "--tokens=64", "--steps=5", f"--batch={batch}"]
    flags = [f"--kinds={kind}", f"--gradient_checkpointing={checkpointing}", f"--output={output}"]
    command = [sys.executable, "benchmarks/memory.py", *shape, *flags]
    subprocess.run(command, cwd=repository, check=True, timeout=500)
    (found,) = json.loads(output.read_text())["measurements"]
    return found


def test_large_v3_trains_within_the_memory_of_common_gpus(repository: Path, tmp_path: Path) -> None:
    output = tmp_path / "memory.json"
    assert step(repository, output, "lora", 4, True)["peak_bytes"] < 12e9
    assert step(repository, output, "full_8bit", 8, True)["peak_bytes"] < 40e9


def test_full_fine_tuning_uses_the_device(repository: Path, tmp_path: Path) -> None:
    if torch.cuda.get_device_properties(0).total_memory < 70e9:
        pytest.skip("the goal is set for a large GPU")
    found = step(repository, tmp_path / "memory.json", "full_8bit", 16, False)
    assert found["utilisation"] > 0.45
