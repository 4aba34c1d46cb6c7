"""What a training step keeps of its forward pass: nothing of frozen parts, little of the others."""

from __future__ import annotations

from typing import Any

from torch import nn


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
    # transformers is renaming it: the newer name where there is one.
    named = "activation" if hasattr(whisper, "activation_checkpointing_enable") else "gradient"
    if enabled:
        getattr(whisper, f"{named}_checkpointing_enable")({"use_reentrant": False})
    else:
        getattr(whisper, f"{named}_checkpointing_disable")()
