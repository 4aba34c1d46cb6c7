"""Which weights of a whole model are trained, and how deep each step is."""

from __future__ import annotations

from utils.cli.errors import UserError
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.training.settings.runs import FullSettings


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
