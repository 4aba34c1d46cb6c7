"""A Whisper with fewer decoder layers, to be taught by the one that it was cut from.

The decoder is what transcription waits for: it runs once a token. Its first and last layers and
some between them, evenly spaced, are where a student begins (distil-whisper, arXiv 2311.00430); the
encoder stays whole.
"""

from __future__ import annotations

from torch import nn

from utils.cli.errors import UserError
from utils.model.audio_context.encoder import FlexibleWhisper


def kept_layers(total: int, kept: int) -> list[int]:
    """Places of the layers that are kept, evenly spaced, the first and the last among them.

    Args:
        total: layers that there are.
        kept: how many are kept; 1 keeps the first alone.

    Example:
        >>> kept_layers(6, 3)
        [0, 2, 5]
        >>> kept_layers(32, 2)
        [0, 31]
    """
    if kept == 1:
        return [0]
    return [place * (total - 1) // (kept - 1) for place in range(kept)]


def keep_decoder_layers(whisper: FlexibleWhisper, kept: int) -> None:
    """Leave so many of the decoder's layers; what is saved of the model says so.

    Args:
        whisper: changed in place.
        kept: layers.

    Raises:
        UserError: if there are not more than that.
    """
    decoder = whisper.model.decoder
    total = len(decoder.layers)
    if not 0 < kept < total:
        raise UserError(
            f"--student_layers={kept}: the base model's decoder has {total} layers",
            f"Give a number from 1 to {total - 1}.",
        )
    places = kept_layers(total, kept)
    decoder.layers = nn.ModuleList(decoder.layers[place] for place in places)
    for number, layer in enumerate(decoder.layers):
        layer.self_attn.layer_idx = layer.encoder_attn.layer_idx = number  # its place in the cache
    whisper.config.decoder_layers = kept
    known = whisper.generation_config
    heads = getattr(known, "alignment_heads", None)
    if heads:
        remaining = [[places.index(at), head] for at, head in heads if at in places]
        # Without a known head, word times are taken from all heads of the last layer.
        every = [[kept - 1, head] for head in range(whisper.config.decoder_attention_heads)]
        known.alignment_heads = remaining or every
