"""AdaLoRA's moving parts, which its saved adapter does not hold.

An adapter is saved with the rows that its ranks keep. To go on as if nothing had happened, a run
also needs the rows that are masked, and the averages that the ranks are chosen by (arXiv
2303.10512, equations 9 and 10).
"""

from __future__ import annotations

from typing import Any

import torch
from peft import AdaLoraConfig

_AVERAGES = ("ipt", "exp_avg_ipt", "exp_avg_unc")


def is_adaptive(model: Any) -> bool:
    """Whether a model is an AdaLoRA adapter around another."""
    configs = getattr(model, "peft_config", {}).values()
    return any(isinstance(config, AdaLoraConfig) for config in configs)


def adaptive_state(model: Any) -> tuple[dict[str, torch.Tensor], dict[str, list[bool]] | None]:
    """All that moves in an AdaLoRA adapter.

    Args:
        model: the PeftModel.

    Returns:
        Tensors by name: trained parameters as they are, and the importance averages; and the rank
        pattern, which rows of each layer are kept.
    """
    tensors = {f"parameter/{name}": p.detach() for name, p in _trained(model).items()}
    allocator = model.base_model.rankallocator
    for kind in _AVERAGES:
        averages = getattr(allocator, kind)
        tensors.update({f"{kind}/{name}": value for name, value in averages.items()})
    pattern = _config(model).rank_pattern
    return {name: value.contiguous() for name, value in tensors.items()}, pattern or None


def restore_adaptive_state(
    model: Any, tensors: dict[str, torch.Tensor], pattern: dict[str, list[bool]] | None
) -> None:
    """Put back what `adaptive_state` gave.

    Args:
        model: a PeftModel of the same shape.
        tensors: by name.
        pattern: which rows are kept.

    Raises:
        RuntimeError: if the shapes differ.
    """
    trained = _trained(model)
    for name, parameter in trained.items():
        with torch.no_grad():
            parameter.copy_(tensors[f"parameter/{name}"])
    allocator = model.base_model.rankallocator
    device = next(iter(trained.values())).device
    for kind in _AVERAGES:
        prefix = f"{kind}/"
        held = {n: v.to(device) for n, v in tensors.items() if n.startswith(prefix)}
        setattr(allocator, kind, {n.removeprefix(prefix): v for n, v in held.items()})
    _config(model).rank_pattern = pattern


def _trained(model: Any) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _config(model: Any) -> Any:
    return model.peft_config[model.active_adapter]
