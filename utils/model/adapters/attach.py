"""Small trainable parts on a frozen Whisper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel, get_peft_model

from utils.cli.errors import UserError
from utils.model.adapters.pissa import PissaModel
from utils.model.adapters.targets import (
    ALL_LINEAR,
    LINEAR_LAYERS,
    Parts,
    choose_targets,
    read_rank_pattern,
)

ADAPTER_TYPES = ("lora", "dora", "rslora", "pissa", "adalora")


@dataclass(frozen=True)
class AdapterPlan:
    """What is attached.

    Attributes:
        adapter_type: one of `ADAPTER_TYPES`: LoRA, or one that splits off each update's length
            (DoRA), scales by the root of the rank (rsLoRA), begins with the weights' largest parts
            (PiSSA), or moves its ranks (AdaLoRA).
        rank: of the update (the average one that AdaLoRA ends with).
        alpha: scale; the update is multiplied by alpha / rank, or alpha / sqrt(rank) by rsLoRA.
        dropout: on the adapter's input.
        targets: layers that are adapted, as of `choose_targets`.
        parts: "both", "encoder" or "decoder".
        rank_pattern: ranks of single layers, as of `read_rank_pattern`.
        initial_rank: that AdaLoRA begins with; half as much again as `rank` if None.
        new_tokens: ids whose embeddings are trained beside the adapter.
        total_steps: optimizer steps of the whole run; AdaLoRA plans its ranks by it.
    """

    adapter_type: str = "lora"
    rank: int = 32
    alpha: int = 64
    dropout: float = 0.0
    targets: str = ALL_LINEAR
    parts: Parts = "both"
    rank_pattern: str | None = None
    initial_rank: int | None = None
    new_tokens: tuple[int, ...] = ()
    total_steps: int = 0


def attach_adapter(model: Any, plan: AdapterPlan, base_path: str) -> PeftModel:
    """Freeze a Whisper and attach a trainable adapter to linear layers of it.

    Args:
        model: FlexibleWhisper; changed in place.
        plan: what to attach.
        base_path: written into the adapter so that it finds its base again.

    Raises:
        UserError: if a target names no layer, or AdaLoRA gets too few steps to move its ranks.
    """
    layers = choose_targets(model, plan.targets, plan.parts)
    config = (
        _adaptive_config(plan) if plan.adapter_type == "adalora" else _lora_config(plan, layers)
    )
    is_default = plan.targets == ALL_LINEAR and plan.parts == "both"
    config.target_modules = set(LINEAR_LAYERS) if is_default else set(layers)
    if plan.new_tokens:
        config.trainable_token_indices = list(plan.new_tokens)
    if plan.adapter_type == "pissa":
        adapted: PeftModel = PissaModel(model, config)
    else:
        adapted = get_peft_model(model, config)
    for peft_config in adapted.peft_config.values():
        peft_config.base_model_name_or_path = base_path
    return adapted


def _lora_config(plan: AdapterPlan, layers: list[str]) -> LoraConfig:
    return LoraConfig(
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=plan.dropout,
        use_dora=plan.adapter_type == "dora",
        use_rslora=plan.adapter_type == "rslora",
        init_lora_weights="pissa" if plan.adapter_type == "pissa" else True,
        rank_pattern=read_rank_pattern(plan.rank_pattern, layers),
        bias="none",
    )


def _adaptive_config(plan: AdapterPlan) -> AdaLoraConfig:
    # The paper's shape (arXiv 2303.10512): begin half as wide again, hold, shrink, hold.
    if plan.total_steps < 10:
        raise UserError(
            f"--adapter=adalora needs at least 10 steps to move its ranks; this run has "
            f"{plan.total_steps}",
            "Train longer (--num_train_epochs, --max_steps) or use plain LoRA.",
        )
    warmup = max(1, plan.total_steps // 10)
    final = max(1, plan.total_steps // 3)
    return AdaLoraConfig(
        init_r=plan.initial_rank or max(plan.rank + plan.rank // 2, plan.rank + 1),
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
