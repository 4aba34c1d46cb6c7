"""Small trainable parts on a frozen Whisper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel, get_peft_model

from utils.cli.errors import UserError

LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
"""Every linear layer of a Whisper block; adapting all of them beats the attention alone."""


@dataclass(frozen=True)
class AdapterPlan:
    """What is attached.

    Attributes:
        rank: of the update (the average one that AdaLoRA ends with).
        alpha: scale; the update is multiplied by alpha / rank.
        dropout: on the adapter's input.
        adaptive: AdaLoRA instead of LoRA.
        total_steps: optimizer steps of the whole run; AdaLoRA plans its ranks by it.
    """

    rank: int = 32
    alpha: int = 64
    dropout: float = 0.0
    adaptive: bool = False
    total_steps: int = 0


def attach_adapter(model: Any, plan: AdapterPlan, base_path: str) -> PeftModel:
    """Freeze a Whisper and attach a trainable adapter to all its linear layers.

    Args:
        model: FlexibleWhisper; changed in place.
        plan: what to attach.
        base_path: written into the adapter so that it finds its base again.

    Raises:
        UserError: if AdaLoRA gets too few steps to move its ranks.
    """
    config = _adaptive_config(plan) if plan.adaptive else _lora_config(plan)
    adapted = get_peft_model(model, config)
    for peft_config in adapted.peft_config.values():
        peft_config.base_model_name_or_path = base_path
    return adapted


def _lora_config(plan: AdapterPlan) -> LoraConfig:
    return LoraConfig(
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=plan.dropout,
        target_modules=list(LINEAR_LAYERS),
        bias="none",
    )


def _adaptive_config(plan: AdapterPlan) -> AdaLoraConfig:
    # The paper's shape (arXiv 2303.10512): begin half as wide again, hold, shrink, hold.
    if plan.total_steps < 10:
        raise UserError(
            f"--use_adalora=True needs at least 10 steps to move its ranks; this run has "
            f"{plan.total_steps}",
            "Train longer (--num_train_epochs, --max_steps) or use plain LoRA.",
        )
    warmup = max(1, plan.total_steps // 10)
    final = max(1, plan.total_steps // 3)
    return AdaLoraConfig(
        init_r=plan.rank + plan.rank // 2,
        target_r=plan.rank,
        tinit=warmup,
        tfinal=final,
        deltaT=max(1, plan.total_steps // 100),
        beta1=0.85,
        beta2=0.85,
        orth_reg_weight=0.5,
        total_step=plan.total_steps,
        lora_alpha=plan.alpha,
        lora_dropout=plan.dropout,
        target_modules=list(LINEAR_LAYERS),
    )


def count_parameters(model: Any) -> tuple[int, int]:
    """Trainable and all parameters of a model."""
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in model.parameters())


def orthogonality_penalty(model: Any) -> torch.Tensor | None:
    """AdaLoRA's regulariser: how far its factors are from orthogonal, or None without AdaLoRA.

    The weighted mean over all factors P (columns) and Q (rows) of ||P'P - I||, as in peft; peft
    adds it only to a loss that the model itself computes, and ours is computed outside.
    """
    config = next(iter(getattr(model, "peft_config", {}).values()), None)
    if not isinstance(config, AdaLoraConfig):
        return None
    norms = []
    for name, weight in model.named_parameters():
        if "lora_A" not in name and "lora_B" not in name:
            continue
        gram = weight @ weight.T if "lora_A" in name else weight.T @ weight
        norms.append(torch.norm(gram - torch.eye(len(gram), device=gram.device)))
    return config.orth_reg_weight * torch.stack(norms).mean()
