"""A Whisper under the names that OpenAI's own files give its weights; GGML files have them too."""

from __future__ import annotations

_RENAMED = (
    ("model.", ""),
    ("embed_positions.weight", "positional_embedding"),
    ("embed_tokens", "token_embedding"),
    ("layers.", "blocks."),
    ("self_attn_layer_norm", "attn_ln"),
    ("encoder_attn_layer_norm", "cross_attn_ln"),
    ("self_attn.", "attn."),
    ("encoder_attn.", "cross_attn."),
    ("q_proj", "query"),
    ("k_proj", "key"),
    ("v_proj", "value"),
    ("out_proj", "out"),
    ("fc1", "mlp.0"),
    ("fc2", "mlp.2"),
    ("final_layer_norm", "mlp_ln"),
    ("encoder.layer_norm", "encoder.ln_post"),
    ("decoder.layer_norm", "decoder.ln"),
)


def official_name(name: str) -> str:
    """The name of a weight in OpenAI's files.

    >>> official_name("model.encoder.layers.0.self_attn.q_proj.weight")
    'encoder.blocks.0.attn.query.weight'
    """
    for ours, theirs in _RENAMED:
        name = name.replace(ours, theirs)
    return name


def byte_signs() -> dict[int, str]:
    """The sign that stands for each byte in a vocabulary of byte pairs."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    signs = {byte: chr(byte) for byte in plain}
    return signs | {byte: chr(256 + place) for place, byte in enumerate(others)}
