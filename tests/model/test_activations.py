"""Frozen parts keep no activations; the others keep as little as they are told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional

from utils.model.activations import checkpoint_activations, is_frozen
from utils.model.load import load_model

LORA = {
    "all layers": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
    "decoder": r".*decoder.*(q_proj|v_proj|fc1)",
}


def trainable(path: Path, kind: str, dropout: float = 0.0) -> Any:
    """The model in training mode: all weights, or an adapter on some layers."""
    model = load_model(str(path)).model
    for module in model.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = dropout
    if kind != "full":
        torch.manual_seed(1)
        config = LoraConfig(
            r=2, lora_dropout=dropout, init_lora_weights=False, target_modules=LORA[kind]
        )
        model = get_peft_model(model, config)
    return model.train()


def loss_of(model: Any) -> torch.Tensor:
    torch.manual_seed(2)
    features, ids = torch.randn(2, 80, 300), torch.randint(50_000, (2, 5))
    return model(
        input_features=features, decoder_input_ids=ids, loss_labels=ids, loss_chunk=4
    ).token_loss_sum


def saved_bytes(model: Any) -> int:
    """Memory that autograd holds for the backward pass through encoder and decoder."""
    whisper = model.get_base_model() if hasattr(model, "get_base_model") else model
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    held: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        features, ids = torch.randn(2, 80, 600), torch.randint(50_000, (2, 5))
        states = whisper.model(features, decoder_input_ids=ids).last_hidden_state
        total = sum(held.values())
    states.sum().backward()
    return total


def gradients(model: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss_of(model).backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", ["full", *LORA])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_gradients_with_checkpointing_are_those_without(
    tiny_model: Path, kind: str, dropout: float
) -> None:
    model = trainable(tiny_model, kind, dropout)
    expected = gradients(model)
    checkpoint_activations(model)
    found = gradients(model)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def checkpointed(model: Any) -> list[str]:
    """Names of the layers that are computed again in the backward pass."""
    return [n for n, m in model.named_modules() if getattr(m, "gradient_checkpointing", False)]


@pytest.mark.parametrize("kind", ["full", "all layers"])
def test_checkpointing_reaches_the_layers_of_encoder_and_decoder(
    tiny_model: Path, kind: str
) -> None:
    model = trainable(tiny_model, kind)
    before = saved_bytes(model)
    checkpoint_activations(model)
    names = [name for name in checkpointed(model) if ".layers." in name]
    assert len(names) == 4
    assert sum("encoder.layers" in name for name in names) == 2
    assert saved_bytes(model) < before / 2
    checkpoint_activations(model, enabled=False)
    assert checkpointed(model) == []


def test_a_layer_of_the_flexible_encoder_is_computed_twice(tiny_model: Path) -> None:
    model = trainable(tiny_model, "full")
    calls = []
    model.model.encoder.layers[0].fc1.register_forward_hook(lambda *_: calls.append(1))
    loss_of(model).backward()
    assert len(calls) == 1
    checkpoint_activations(model)
    loss_of(model).backward()
    assert len(calls) == 1 + 2


def encoder_output(model: Any) -> torch.Tensor:
    whisper = model.get_base_model() if hasattr(model, "get_base_model") else model
    features = torch.randn(1, 80, 100).requires_grad_()  # even where the input asks for it
    return whisper.model.encoder(features).last_hidden_state


def test_a_frozen_encoder_keeps_no_activations(tiny_model: Path) -> None:
    model = trainable(tiny_model, "full")
    assert encoder_output(model).requires_grad
    whole = saved_bytes(model)
    model.freeze_encoder()
    assert is_frozen(model.model.encoder)
    assert not encoder_output(model).requires_grad
    assert saved_bytes(model) < whole / 3


@pytest.mark.parametrize("bits", [{}, {"use_8bit": True}, {"use_4bit": True}], ids=str)
def test_an_encoder_without_an_adapter_keeps_none_either(
    tiny_model: Path, bits: dict[str, bool]
) -> None:
    if bits:
        pytest.importorskip("bitsandbytes")
    model = load_model(str(tiny_model), **bits).model
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=LORA["decoder"])).train()
    assert not encoder_output(adapted).requires_grad
    loss_of(adapted).backward()
    grads = [p.grad for p in adapted.parameters() if p.requires_grad]
    assert grads
    assert all(grad is not None for grad in grads)


def test_attention_is_the_fused_one(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trainable(tiny_model, "full")
    assert model.config._attn_implementation == "sdpa"
    calls = []
    fused = functional.scaled_dot_product_attention

    def counted(*args: Any, **kwargs: Any) -> torch.Tensor:
        calls.append(1)
        return fused(*args, **kwargs)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counted)
    loss_of(model)
    assert len(calls) == 2 + 2 * 2  # encoder layers, and each decoder layer's two attentions
