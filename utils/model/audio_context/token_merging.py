"""Silence that is heard through few of its positions, each counted as often as it stands for.

Whisper pads every clip to 30 s of silence, and a pretrained model misses that silence where it is
cut off: its attention was trained with it. But all of it is one sound, and only the position
changes, slowly. So one position in `stride` is computed, and attention counts it `stride` times, by
adding log(stride) to its logits: the "proportional attention" of Token Merging (Bolya et al. 2023,
arXiv:2210.09461). With a stride of 1 this is the window of 30 s itself, to the last bit; with
MERGE_STRIDE a model that knows 30 s windows alone hears nearly the same (docs/speed.md).

A thinned window has its first positions, the head, one by one; then the groups of the tail; then
the last position, where the sound differs, since the convolutions see the window's edge. The head
is cut so that the groups divide the rest: the number of positions then tells where the tail begins,
and the decoder needs nothing but the encoder's states.

B batch, P positions, D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers.models.whisper.modeling_whisper import WhisperAttention


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


class ProportionalAttention(WhisperAttention):
    """A decoder's attention to the encoder's states, which may have a thinned tail.

    Attributes:
        merge_stride: of the tail; 0 for states without one.
    """

    merge_stride: int = 0

    def forward(
        self,
        hidden_states: torch.Tensor,
        key_value_states: torch.Tensor | None = None,
        past_key_values: Any = None,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the stock attention; positions of the tail count as often as they stand for."""
        if self.merge_stride and attention_mask is None and key_value_states is not None:
            total = self.config.max_source_positions
            length = key_value_states.shape[1]
            attention_mask = proportional_bias(length, total, self.merge_stride, hidden_states)
        return super().forward(
            hidden_states, key_value_states, past_key_values, attention_mask, **kwargs
        )
