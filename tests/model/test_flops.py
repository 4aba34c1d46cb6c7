"""Operations are counted as torch counts them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from utils.model.flops import BatchShape, forward_flops, measured_flops, peak_flops, training_flops
from utils.model.load import load_model

SHAPE = BatchShape(examples=3, frames=400, positions=200, tokens=7, counted=3 * 7)


def counted(model: Any, backward: bool, merge_stride: int = 0) -> int:
    """What torch counts, attention as plain products so that it knows them."""
    features = torch.randn(SHAPE.examples, 80, SHAPE.frames)
    ids = torch.randint(50_000, (SHAPE.examples, SHAPE.tokens))
    also = {torch.ops.aten.addmm_: lambda _, a, b, **__: 2 * a[0] * a[1] * b[1]}
    with (
        FlopCounterMode(display=False, custom_mapping=also) as counter,
        sdpa_kernel(SDPBackend.MATH),
    ):
        given = {"decoder_input_ids": ids, "loss_labels": ids, "merge_stride": merge_stride}
        loss = model(input_features=features, **given)
        if backward:
            loss.token_loss_sum.backward()
    return counter.get_total_flops()


def test_the_forward_pass_is_counted_exactly(tiny_model: Path) -> None:
    model = load_model(str(tiny_model)).model
    with torch.no_grad():
        assert sum(forward_flops(model.config, SHAPE).values()) == counted(model, False)


def test_a_thinned_tail_is_counted(tiny_model: Path) -> None:
    model = load_model(str(tiny_model)).model.train()
    shape = replace(SHAPE, positions=model.positions(SHAPE.frames, 4))
    assert shape.positions > SHAPE.positions
    # What the convolutions compute and no position needs is not counted apart.
    assert training_flops(model, shape) == pytest.approx(counted(model, True, 4), rel=0.01)


def test_a_step_on_all_weights_is_three_forward_passes(tiny_model: Path) -> None:
    model = load_model(str(tiny_model)).model.train()
    assert training_flops(model, SHAPE) == counted(model, True)


def test_a_frozen_encoder_is_counted_once(tiny_model: Path) -> None:
    model = load_model(str(tiny_model)).model.train()
    model.freeze_encoder()
    assert training_flops(model, SHAPE) == counted(model, True)


def test_an_adapters_step_is_two_forward_passes(tiny_model: Path) -> None:
    model = load_model(str(tiny_model)).model
    names = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
    adapted = get_peft_model(model, LoraConfig(r=1, target_modules=names)).train()
    found = training_flops(adapted.get_base_model(), SHAPE)
    # Counted with it: the adapter's own products, a tenth of these narrow layers.
    assert found == pytest.approx(counted(adapted, True), rel=0.15)
    assert found < 2 * sum(forward_flops(model.config, SHAPE).values())


def test_a_cpus_peak_is_measured() -> None:
    peak, source = peak_flops(torch.device("cpu"), torch.float32)
    assert source == "measured by a matrix product"
    assert 1e8 < peak < 1e15
    assert 1e7 < measured_flops(torch.device("cpu"), torch.float32, size=64) < 1e15


def test_a_known_gpus_peak_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100 80GB HBM3")
    found = peak_flops(torch.device("cuda"), torch.bfloat16)
    assert found == (989e12, "data sheet of H100")
