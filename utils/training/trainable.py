"""What a run trains: an adapter on a frozen model, or the model's own weights."""

from __future__ import annotations

from dataclasses import replace

from utils.cli.errors import UserError
from utils.model.adapters.attach import AdapterPlan, attach_adapter
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.loaded import LoadedModel
from utils.model.new_tokens import new_ids
from utils.training.settings.runs import FullSettings, LoraSettings


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


def free_weights(settings: FullSettings, whisper: FlexibleWhisper) -> None:
    """Freeze what the settings keep, and let steps leave layers out where they ask for it.

    Args:
        settings: of the run.
        whisper: changed in place; what is saved of it says nothing of either.

    Raises:
        UserError: if more layers are to be frozen than there are.
    """
    encoder, decoder = whisper.model.encoder, whisper.model.decoder
    if settings.freeze_layers > len(encoder.layers):
        raise UserError(
            f"--freeze_layers={settings.freeze_layers}: the encoder has {len(encoder.layers)}",
            "--freeze_encoder=True keeps all of it.",
        )
    if settings.freeze_encoder:
        whisper.freeze_encoder()
    elif settings.freeze_layers:
        for module in (encoder.conv1, encoder.conv2, *encoder.layers[: settings.freeze_layers]):
            module.requires_grad_(False)
    # The attributes, not the configuration: that is saved, and the finished model drops nothing.
    encoder.layerdrop = decoder.layerdrop = settings.layer_drop
