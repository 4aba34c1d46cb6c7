"""The number format is what the device can do, and the impossible is refused."""

from __future__ import annotations

import pytest
import torch

from utils.cli.errors import UserError
from utils.model.precision import choose_precision, cpu_computes_bf16, warn_if_slow

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("has_it", "launcher", "processes", "format_"),
    [
        (True, None, "1", "bf16"),
        (False, None, "1", "float32"),
        (True, "no", "1", "float32"),
        (True, None, "2", "float32"),
    ],
)
def test_a_cpu_trains_in_bfloat16_where_it_has_arithmetic_for_it(
    has_it: bool,
    launcher: str | None,
    processes: str,
    format_: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = {"avx512_f": True, "avx512_bf16": has_it}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: named, raising=False)
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    if launcher is not None:
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launcher)
    monkeypatch.setenv("WORLD_SIZE", processes)
    assert choose_precision(None, None, CPU).name == format_
    assert choose_precision(False, None, CPU).name == format_  # --fp16=False is no wish for float32
    assert choose_precision(None, False, CPU).name == "float32"
    assert choose_precision(False, True, CPU).name == "bf16"


@pytest.mark.parametrize("has_it", [True, False])
def test_bfloat16_on_a_cpu_without_it_is_said_to_be_slow(
    has_it: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"avx512_f": True, "avx512_bf16": has_it}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: named, raising=False)
    assert cpu_computes_bf16() is has_it
    warn_if_slow(choose_precision(None, True, CPU), CPU)
    assert ("slow on this CPU" in capsys.readouterr().err) is not has_it


def test_float16_on_a_cpu_is_refused() -> None:
    with pytest.raises(UserError, match="--fp16=True needs an NVIDIA GPU; this machine trains on"):
        choose_precision(True, None, CPU)


def test_both_formats_at_once_are_refused() -> None:
    with pytest.raises(UserError, match="exclude each other"):
        choose_precision(True, True, CPU)


@pytest.mark.requires_cuda
def test_a_gpu_trains_in_sixteen_bits() -> None:
    assert choose_precision(None, None, torch.device("cuda")).name in ("bf16", "fp16")
