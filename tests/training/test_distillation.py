"""Kept utterances teach what the base model says, and pull the model back towards it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import finetune
import finetune_all
from utils.cli.errors import UserError
from utils.data.labels import IGNORED
from utils.model.adapters.attach import AdapterPlan, attach_adapter
from utils.model.load import load_model
from utils.training.distillation import SelfDistillation
from utils.training.settings.runs import LoraSettings


def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    labels = torch.randint(50257, (3, 5))
    labels[:, :2] = IGNORED
    features = torch.randn(3, 80, 100)
    ids = torch.randint(50257, (3, 5))
    return {"input_features": features, "decoder_input_ids": ids, "labels": labels}


@pytest.mark.parametrize("kind", ["adapter", "whole"])
def test_it_is_zero_at_first_and_pulls_a_changed_model_back(tiny_model: Path, kind: str) -> None:
    model = load_model(str(tiny_model)).model
    if kind == "adapter":
        model = attach_adapter(model, AdapterPlan(rank=4), str(tiny_model))
    taught = SelfDistillation(model)
    kept = torch.tensor([True, False, True])
    assert taught.loss(model, batch(), kept).item() == pytest.approx(0.0, abs=1e-4)
    trained = [p for p in model.parameters() if p.requires_grad]
    with torch.no_grad():
        for parameter in trained:
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    losses = []
    for _ in range(15):
        loss = taught.loss(model, batch(), kept)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    only = taught.loss(model, batch(), torch.tensor([True, False, False]))
    other = taught.loss(model, batch(), torch.tensor([False, False, True]))
    torch.testing.assert_close(only + other, taught.loss(model, batch(), kept))


def test_runs_distil(
    tiny_model: Path, speech_manifest: Path, demo_model: Path, tmp_path: Path
) -> None:
    settings = {
        "base_model": tiny_model,
        "train_data": speech_manifest,
        "dev_data": speech_manifest,
        "keep_data": demo_model.parent / "en" / "dev.jsonl",
        "keep_share": 0.5,
        "keep_mode": "distill",
        "max_steps": 2,
        "num_workers": 0,
        "eval_on_start": False,
    }
    for script in (finetune, finetune_all):
        flags = [f"--{name}={value}" for name, value in settings.items()]
        script.main([*flags, f"--output_dir={tmp_path / script.__name__}"])
        assert load_model(str(tmp_path / script.__name__ / "tiny" / "checkpoint-final"))


def test_pissa_has_no_base_to_ask() -> None:
    with pytest.raises(UserError, match="takes the base model apart"):
        LoraSettings(adapter="pissa", keep_mode="distill")
