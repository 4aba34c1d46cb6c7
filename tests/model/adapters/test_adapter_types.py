"""Every kind of adapter begins as its base, and is the trained model wherever it is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from utils.cli.errors import UserError
from utils.model.adapters.attach import ADAPTER_TYPES, AdapterPlan, attach_adapter
from utils.model.adapters.merging import merge_adapter
from utils.model.folders import save_model
from utils.model.load import load_model
from utils.model.loaded import LoadedModel

EXACT = {"atol": 1e-5, "rtol": 0}


def logits(model: object) -> torch.Tensor:
    torch.manual_seed(1)
    features, ids = torch.randn(1, 80, 100), torch.randint(50257, (1, 4))
    with torch.no_grad():
        return model(input_features=features, decoder_input_ids=ids).logits  # type: ignore


def attached(tiny_model: Path, **options: object) -> LoadedModel:
    base = load_model(str(tiny_model))
    plan = AdapterPlan(**{"rank": 4, "alpha": 8, "total_steps": 50, **options})
    return replace(base, model=attach_adapter(base.model, plan, str(tiny_model)), path="adapter")


def shaken(adapted: LoadedModel) -> LoadedModel:
    """The adapter with an update that is not zero."""
    torch.manual_seed(2)
    with torch.no_grad():
        for name, parameter in adapted.model.named_parameters():
            if parameter.requires_grad and "ranknum" not in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.02)
    adapted.model.eval()
    return adapted


@pytest.mark.parametrize("kind", ADAPTER_TYPES)
def test_it_begins_as_its_base_and_ends_the_same_saved_and_merged(
    tiny_model: Path, tmp_path: Path, kind: str
) -> None:
    untouched = logits(load_model(str(tiny_model)).model)
    adapted = attached(tiny_model, adapter_type=kind)
    torch.testing.assert_close(logits(adapted.model.eval()), untouched, **EXACT)
    trained = logits(shaken(adapted).model)
    assert (trained - untouched).abs().max() > 1e-3
    save_model(adapted.model, adapted.processor, tmp_path)
    loaded = load_model(str(tmp_path))
    torch.testing.assert_close(logits(loaded.model), trained, **EXACT)
    torch.testing.assert_close(logits(merge_adapter(loaded).model), trained, **EXACT)


def test_pissa_takes_its_saved_adapter_back_to_train_on(tiny_model: Path, tmp_path: Path) -> None:
    first = shaken(attached(tiny_model, adapter_type="pissa"))
    save_model(first.model, first.processor, tmp_path)
    again = attached(tiny_model, adapter_type="pissa")
    again.model.load_adapter(str(tmp_path), "default", is_trainable=True)
    found, expected = again.model.state_dict(), first.model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"targets": "q_proj,v_proj"}, 2 * 2 + 2 * 4),
        ({"targets": "encoder.layers.0.*"}, 6),
        ({"targets": "layers.[01].fc1", "parts": "decoder"}, 2),
        ({"parts": "encoder"}, 2 * 6),
        ({"parts": "decoder"}, 2 * 10),
    ],
)
def test_names_patterns_and_parts_choose_the_layers(
    tiny_model: Path, options: dict[str, str], expected: int
) -> None:
    names = [
        n for n, p in attached(tiny_model, **options).model.named_parameters() if "lora_A" in n
    ]
    assert len(names) == expected
    part = options.get("parts")
    assert part is None or all(f".{part}." in name for name in names)


def test_single_layers_may_have_other_ranks(tiny_model: Path) -> None:
    model = attached(tiny_model, rank_pattern="fc1=8,decoder.layers.1.fc1=2").model
    ranks = {n: len(p) for n, p in model.named_parameters() if "lora_A" in n}
    assert {r for n, r in ranks.items() if "encoder.layers.0.fc1" in n} == {8}
    assert {r for n, r in ranks.items() if "decoder.layers.1.fc1" in n} == {2}
    assert {r for n, r in ranks.items() if "fc2" in n} == {4}


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"targets": "q_prj"}, "no linear layer of the model is called 'q_prj'", "mean q_proj"),
        ({"targets": "encoder_attn.*", "parts": "encoder"}, "of its encoder is called", "fc1"),
        ({"rank_pattern": "fc3=8"}, "no adapted layer is called 'fc3'", "mean fc"),
        ({"rank_pattern": "fc1"}, "'fc1' is no name with a rank", "fc1=64"),
    ],
)
def test_a_target_that_does_not_exist_is_named_with_the_nearest(
    tiny_model: Path, options: dict[str, str], message: str, hint: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        attached(tiny_model, **options)
    assert hint in str(caught.value.hint)


def test_an_adapter_of_another_base_model_is_one_sentence(
    tiny_model: Path, demo_model: Path, tmp_path: Path
) -> None:
    adapted = attached(tiny_model)
    adapted.model.peft_config["default"].base_model_name_or_path = str(demo_model)
    save_model(adapted.model, adapted.processor, tmp_path)
    with pytest.raises(UserError, match="does not fit its base model"):
        load_model(str(tmp_path))
