"""A process uses the cores that it was given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from utils.model.distributed import share_cores
from utils.parallel.cores import available_cores


@pytest.mark.parametrize(
    ("quota", "most"),
    [
        ("max 100000", 10_000),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("garbage", 10_000),
        (None, 10_000),
    ],
)
def test_a_quota_limits_the_cores(quota: str | None, most: int, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(f"{quota}\n")
    everything = available_cores(tmp_path / "none")
    assert 1 <= everything <= (os.cpu_count() or 1)
    assert available_cores(file) == min(everything, most)


def test_processes_of_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(64)
        share_cores()  # the tests set OMP_NUM_THREADS
        assert torch.get_num_threads() == 64
        monkeypatch.delenv("OMP_NUM_THREADS")
        share_cores()
        assert torch.get_num_threads() == available_cores()
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(available_cores()))
        share_cores()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
