"""An adapter changes nothing at first; merged, it answers as it did unmerged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from utils.cli.errors import UserError
from utils.model.adapters.attach import AdapterPlan, attach_adapter, count_parameters
from utils.model.adapters.merging import merge_adapter
from utils.model.folders import save_model
from utils.model.load import load_model
from utils.model.loaded import LoadedModel

PLANS = [AdapterPlan(rank=4, alpha=8), AdapterPlan("adalora", rank=4, alpha=8, total_steps=50)]


def logits(model: object) -> torch.Tensor:
    torch.manual_seed(1)
    features, ids = torch.randn(1, 80, 200), torch.randint(50257, (1, 6))
    with torch.no_grad():
        return model(input_features=features, decoder_input_ids=ids).logits  # type: ignore


def trained_adapter(tiny_model: Path, plan: AdapterPlan) -> LoadedModel:
    """An adapter whose update is not zero."""
    base = load_model(str(tiny_model))
    model = attach_adapter(base.model, plan, str(tiny_model)).eval()
    torch.manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name and "ranknum" not in name:
                parameter.normal_(std=0.05)
    return replace(base, model=model, path="adapter")


def test_a_new_adapter_changes_no_logit(tiny_model: Path) -> None:
    base = load_model(str(tiny_model))
    before = logits(base.model)
    adapted = attach_adapter(base.model, AdapterPlan(rank=4), str(tiny_model)).eval()
    torch.testing.assert_close(logits(adapted), before)


def test_only_the_adapter_is_trainable(tiny_model: Path) -> None:
    adapted = attach_adapter(load_model(str(tiny_model)).model, AdapterPlan(rank=4), "base")
    names = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert names
    assert all("lora_" in name for name in names)
    layers = 2 * 6 + 2 * 10  # encoder blocks have 6 linear layers, decoder blocks 10
    assert len(names) == 2 * layers
    assert count_parameters(adapted)[0] < count_parameters(adapted)[1]


@pytest.mark.parametrize("plan", PLANS, ids=["lora", "adalora"])
def test_merged_logits_equal_the_adapters(tiny_model: Path, plan: AdapterPlan) -> None:
    adapted = trained_adapter(tiny_model, plan)
    before, untouched = logits(adapted.model), logits(load_model(str(tiny_model)).model)
    assert (before - untouched).abs().max() > 1e-2
    merged = merge_adapter(adapted)
    torch.testing.assert_close(logits(merged.model), before, atol=1e-4, rtol=1e-4)


def test_merging_adds_the_scaled_product_to_the_weight(tiny_model: Path) -> None:
    adapted = trained_adapter(tiny_model, PLANS[0])
    layer = adapted.whisper.model.encoder.layers[0].fc1
    weight = layer.base_layer.weight.detach().clone()
    product = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    merged = merge_adapter(adapted).model
    expected = weight + (8 / 4) * product.detach()
    torch.testing.assert_close(merged.model.encoder.layers[0].fc1.weight, expected)


@pytest.mark.parametrize("plan", PLANS, ids=["lora", "adalora"])
def test_a_saved_adapter_loads_on_its_base(
    tiny_model: Path, tmp_path: Path, plan: AdapterPlan
) -> None:
    adapted = trained_adapter(tiny_model, plan)
    save_model(adapted.model, adapted.processor, tmp_path / "adapter", "dynamic")
    loaded = load_model(str(tmp_path / "adapter"))
    assert (loaded.is_adapter, loaded.audio_context) == (True, "dynamic")
    torch.testing.assert_close(logits(loaded.model), logits(adapted.model))


def test_a_saved_adapter_loads_with_from_pretrained(tiny_model: Path, tmp_path: Path) -> None:
    adapted = trained_adapter(tiny_model, PLANS[0])
    save_model(adapted.model, adapted.processor, tmp_path, "dynamic")
    stock = WhisperForConditionalGeneration.from_pretrained(tmp_path).eval()
    features, ids = torch.randn(1, 80, 3000), torch.randint(50257, (1, 6))
    with torch.no_grad():
        expected = adapted.model(input_features=features, decoder_input_ids=ids).logits
        found = stock(input_features=features, decoder_input_ids=ids).logits
    torch.testing.assert_close(found, expected)


def test_a_merged_model_loads_strictly_as_a_plain_whisper(tiny_model: Path, tmp_path: Path) -> None:
    adapted = trained_adapter(tiny_model, PLANS[0])
    before = logits(adapted.model)
    merged = merge_adapter(adapted)
    save_model(merged.model, merged.processor, tmp_path, "mixed")
    assert not (tmp_path / "adapter_config.json").exists()
    torch.testing.assert_close(
        logits(load_model(str(tmp_path)).model), before, atol=1e-4, rtol=1e-4
    )


def test_a_whole_model_cannot_be_merged(tiny_model: Path) -> None:
    with pytest.raises(UserError, match="is a whole model, not an adapter"):
        merge_adapter(load_model(str(tiny_model)))


def test_an_adapter_whose_base_is_gone_names_both(tiny_model: Path, tmp_path: Path) -> None:
    adapted = trained_adapter(tiny_model, PLANS[0])
    adapted.model.peft_config["default"].base_model_name_or_path = str(tmp_path / "gone")
    save_model(adapted.model, adapted.processor, tmp_path / "adapter")
    with pytest.raises(UserError, match=r"is an adapter on the base model .*gone"):
        load_model(str(tmp_path / "adapter"))


def test_too_few_steps_for_adalora_are_refused(tiny_model: Path) -> None:
    plan = AdapterPlan("adalora", total_steps=3)
    with pytest.raises(UserError, match="at least 10 steps"):
        attach_adapter(load_model(str(tiny_model)).model, plan, "base")
