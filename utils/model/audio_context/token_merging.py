"""Thinned windows: token merging with proportional attention, for the silence that pads a clip.

Whisper pads every clip to 30 s with silence, and a pretrained model misses that silence where it is
cut off: its attention was trained with it. But all of it is one sound, and only the position
changes, slowly. So one position in `merge_stride` is computed, and attention counts it
`merge_stride` times, by adding log(merge_stride) to its logits: the "proportional attention" of
Token Merging (Bolya et al. 2023, arXiv:2210.09461). With a stride of 1 this is the window of 30 s
itself, to the last bit; with MERGE_STRIDE the answers are nearly the same (docs/speed.md).

A thinned window has its first positions, the head, one by one; then the groups of the tail; then
the last position, where the sound differs, since the convolutions see the window's edge. The head
is cut so that the groups divide the rest: the number of positions then tells where the tail begins,
and the decoder needs nothing but the encoder's states and the stride that they were computed with.

B batch, P positions, D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch

MERGE_STRIDE = 4
"""Positions of the silence that one stands for. On OpenAI's whisper-base the decoder's answers
diverge from those on 30 s windows by 0.0003, 0.0003, 0.0007, 0.0014 and 0.0029 nats a token with
strides of 3, 4, 5, 6 and 8, and by 0.15 where the silence is cut off (docs/speed.md)."""
MERGE_MARGIN = 0.5
"""Seconds of silence before it that are computed whole."""


def head_of(given: int, total: int, stride: int) -> int:
    """Positions of the head.

    Args:
        given: positions of the window as it comes, silence at its end included.
        total: positions of 30 s.
        stride: of the tail; at least 1.

    Returns:
        The most of the given that leave a multiple of the stride and the last position, whose
        sound is that of the window's edge; `total` where nothing is missing to 30 s.
    """
    if given >= total:
        return total
    return total - 1 - -(-(total - given) // stride) * stride


def merged_length(given: int, total: int, stride: int) -> int:
    """Positions that are computed of a window; see `head_of`."""
    head = head_of(given, total, stride)
    return head + -(-(total - head) // stride)


def merge_silence(
    sounds: torch.Tensor, positions: torch.Tensor, stride: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Lengthen a window to 30 s by a thinned tail of the silence at its end.

    Args:
        sounds: float `(B, P, D)`, the output of the convolutions on a window that ends in silence
            (MERGE_MARGIN of it; what the convolutions see is 7 frames and half a spectrogram's
            window), or lasts 30 s.
        positions: float `(total, D)`, the positions' embeddings.
        stride: of the tail.

    Returns:
        The encoder layers' input `(B, P', D)`, and what their attention adds to the logits of its
        keys (`proportional_bias`).
    """
    given, total = sounds.shape[1], len(positions)
    head = head_of(given, total, stride)
    if head == total:
        return sounds + positions, None
    places = torch.arange(head + stride // 2, total - 1, stride, device=sounds.device)
    silence, edge = sounds[:, -2:-1], sounds[:, -1:]
    parts = [sounds[:, :head] + positions[:head], silence + positions[places]]
    hidden = torch.cat([*parts, edge + positions[-1]], dim=1)
    return hidden, proportional_bias(hidden.shape[1], total, stride, hidden)


def proportional_bias(
    length: int, total: int, stride: int, like: torch.Tensor
) -> torch.Tensor | None:
    """What attention adds to the logits of a thinned window's keys.

    Args:
        length: positions of the window, as `merged_length` gives them.
        total: positions of 30 s.
        stride: of the tail.
        like: has the dtype and the device.

    Returns:
        float `(1, 1, 1, length)`: log(stride) for each group, else 0; None without a tail.
    """
    groups = (total - length) // max(stride - 1, 1)
    if stride <= 1 or not groups:
        return None
    bias = torch.zeros(1, 1, 1, length, dtype=like.dtype, device=like.device)
    bias[..., length - 1 - groups : -1] = math.log(stride)
    return bias


def weigh_keys(
    attention: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Let a cross-attention count the groups of a thinned window as often as they stand for.

    A pre-hook in the library's own attention, so that no class of it is replaced: what the decoder
    hands down is passed on, whatever it is called.

    Args:
        attention: a `WhisperAttention` over the encoder's states.
        args: of its forward.
        kwargs: of its forward, with `key_value_states (B, P, D)`, and `merge_stride` if the states
            are thinned.
    """
    stride = kwargs.pop("merge_stride", 0)
    if stride and kwargs.get("attention_mask") is None:
        states = kwargs["key_value_states"]
        total = attention.config.max_source_positions
        kwargs["attention_mask"] = proportional_bias(states.shape[1], total, stride, states)
    return args, kwargs
