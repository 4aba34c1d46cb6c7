"""What a run trains: an adapter on a frozen model, or the model's own weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from utils.cli.console import say
from utils.cli.errors import UserError
from utils.model.adapters.attach import AdapterPlan, attach_adapter
from utils.model.adapters.base_digest import expect_base
from utils.model.adapters.continued import Asked, continue_adapter
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.distributed import on_main_process
from utils.model.fewer_layers import keep_decoder_layers
from utils.model.loaded import LoadedModel
from utils.model.new_tokens import new_ids
from utils.training.settings.adapters import AdapterSettings
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
    if settings.init_adapter is not None:
        return _continued(settings, settings.init_adapter, loaded)
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


def _continued(settings: LoraSettings, path: str, loaded: LoadedModel) -> LoadedModel:
    """Attach an adapter that is there already."""
    expect_base(Path(path), settings.base_model, loaded.digest)
    defaults = AdapterSettings()
    asked = Asked(
        None if settings.lora_rank == defaults.lora_rank else settings.lora_rank,
        None if settings.lora_alpha == defaults.lora_alpha else settings.lora_alpha,
        settings.lora_dropout,
    )
    adapted = continue_adapter(loaded.model, path, settings.base_model, asked)
    on_main_process(lambda: say(f"adapter      begins as {path}"))
    return replace(loaded, model=adapted)


def free_weights(settings: FullSettings, whisper: FlexibleWhisper) -> None:
    """Freeze what the settings keep, and let steps leave layers out where they ask for it.

    Args:
        settings: of the run.
        whisper: changed in place; what is saved of it says nothing of either.

    Raises:
        UserError: if more layers are to be frozen than there are.
    """
    if settings.student_layers is not None:
        keep_decoder_layers(whisper, settings.student_layers)
    encoder, decoder = whisper.model.encoder, whisper.model.decoder
    if settings.freeze_layers > len(encoder.layers):
        raise UserError(
            f"--freeze_layers={settings.freeze_layers}: the encoder has {len(encoder.layers)}",
            "--freeze_encoder=True keeps all of it.",
        )
    if settings.freeze_encoder or settings.student_layers is not None:
        whisper.freeze_encoder()
    elif settings.freeze_layers:
        for module in (encoder.conv1, encoder.conv2, *encoder.layers[: settings.freeze_layers]):
            module.requires_grad_(False)
    # The attributes, not the configuration: that is saved, and the finished model drops nothing.
    encoder.layerdrop = decoder.layerdrop = settings.layer_drop
