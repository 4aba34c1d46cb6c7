"""Runs with adapters of several kinds: rates, ranks and what cannot go together."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import Trainer, TrainingArguments

from utils.cli.errors import UserError
from utils.model.adapters.attach import AdapterPlan, attach_adapter
from utils.model.load import load_model
from utils.training.parameter_groups import RateFactors, group_parameters
from utils.training.settings.runs import LoraSettings


def rates(model: object, factors: RateFactors, folder: Path) -> dict[str, float]:
    """Learning rate of each trained weight, as the trainer's optimizer gets it."""
    arguments = TrainingArguments(str(folder), use_cpu=True, learning_rate=0.1, report_to=[])
    kind, options = group_parameters(Trainer(model=model, args=arguments), model, factors)
    optimizer = kind(options.pop("params"), **options)
    assert type(optimizer).__name__ == "AdamW"
    names = {id(p): name for name, p in model.named_parameters()}  # type: ignore
    return {names[id(p)]: g["lr"] for g in optimizer.param_groups for p in g["params"]}


def test_lora_plus_raises_the_rate_of_the_second_factors(tiny_model: Path, tmp_path: Path) -> None:
    model = attach_adapter(load_model(str(tiny_model)).model, AdapterPlan(rank=4), "base")
    found = rates(model, RateFactors(lora_plus_ratio=16.0), tmp_path)
    assert {rate for name, rate in found.items() if "lora_A" in name} == {0.1}
    assert {rate for name, rate in found.items() if "lora_B" in name} == {1.6}


def test_layer_decay_lowers_the_rate_from_each_layer_to_the_next(
    tiny_model: Path, tmp_path: Path
) -> None:
    model = load_model(str(tiny_model)).model
    found = rates(model, RateFactors(layer_decay=0.5, depths=(2, 2)), tmp_path)
    for half in ("encoder", "decoder"):
        assert found[f"model.{half}.layer_norm.weight"] == 0.1
        assert found[f"model.{half}.layers.1.fc1.weight"] == 0.05
        assert found[f"model.{half}.layers.0.fc1.weight"] == 0.025
    assert found["model.encoder.conv1.weight"] == 0.0125
    assert found["model.decoder.embed_tokens.weight"] == 0.0125


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"adapter": "dora", "use_adalora": True}, "exclude each other"),
        ({"lora_rank": 0}, "expected a rank of at least 1"),
        ({"lora_plus_ratio": 0.0}, "expected more than 0"),
        ({"adapter": "adalora", "rank_pattern": "fc1=8"}, "chooses ranks itself"),
        ({"adapter": "adalora", "adalora_init_rank": 8}, "more than lora_rank"),
        ({"adalora_init_rank": 64}, "expected adalora"),
        ({"adapter": "pissa", "use_4bit": True}, "takes weights apart"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LoraSettings(**settings)  # type: ignore
