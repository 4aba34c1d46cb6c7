"""What a training step keeps of its forward pass: nothing of frozen parts, little of the others."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer


def is_frozen(module: nn.Module) -> bool:
    """Whether nothing in a module is trained, its own weights or adapters on them."""
    return not any(parameter.requires_grad for parameter in module.parameters())


def checkpoint_activations(model: Any, enabled: bool = True) -> None:
    """Keep each layer's input alone, and compute the layer again in the backward pass.

    The gradients are the same to the bit, dropout included, since the random state is kept with
    the input; a step takes about a third longer. Without re-entering autograd, so that it works
    where a layer's input needs no gradient (adapters on a frozen model).

    Args:
        model: FlexibleWhisper, or a PeftModel around one; changed in place.
        enabled: False undoes it.
    """
    whisper = model.get_base_model() if hasattr(model, "get_base_model") else model
    if enabled:
        whisper.gradient_checkpointing_enable({"use_reentrant": False})
    else:
        whisper.gradient_checkpointing_disable()


def checkpointed_layers(model: nn.Module) -> list[str]:
    """Names of the layers that are computed again in the backward pass."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, GradientCheckpointingLayer) and module.gradient_checkpointing
    ]
