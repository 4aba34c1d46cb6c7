"""The adapter of a run, from its settings."""

from __future__ import annotations

from dataclasses import replace

from utils.model.adapters.attach import AdapterPlan, attach_adapter
from utils.model.loaded import LoadedModel
from utils.model.new_tokens import new_ids
from utils.training.settings.runs import LoraSettings


def with_adapter(settings: LoraSettings, loaded: LoadedModel, total_steps: int) -> LoadedModel:
    """Attach the adapter that the settings ask for.

    Args:
        settings: of the run.
        loaded: the base model; changed in place.
        total_steps: optimizer steps of the whole run.

    Raises:
        UserError: if the settings name layers that the model lacks.
    """
    plan = AdapterPlan(
        adapter_type=settings.adapter_type,
        rank=settings.lora_rank,
        alpha=settings.lora_alpha,
        dropout=settings.lora_dropout,
        targets=settings.lora_targets,
        parts=settings.lora_parts,
        rank_pattern=settings.rank_pattern,
        initial_rank=settings.adalora_init_rank,
        new_tokens=new_ids(loaded),
        total_steps=total_steps,
    )
    return replace(loaded, model=attach_adapter(loaded.model, plan, settings.base_model))
