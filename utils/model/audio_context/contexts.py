"""The audio contexts: how much of the 30 s window is computed, and what silence each keeps."""

from __future__ import annotations

from utils.audio.clip import Seconds
from utils.model.audio_context.token_merging import MERGE_MARGIN, MERGE_STRIDE

AUDIO_CONTEXTS = ("full", "thinned", "mixed", "dynamic")
"""What a model was trained on: windows of 30 s (full), windows of 30 s whose silence is thinned
(`token_merging.py`), a variable-length audio context that ends with the speech (dynamic), or that
and windows of 30 s (mixed)."""


def merge_stride_of(audio_context: str) -> int:
    """Positions of the silence that one stands for; 0 where nothing is thinned."""
    return MERGE_STRIDE if audio_context == "thinned" else 0


def silence_kept(audio_context: str, asked: Seconds) -> Seconds:
    """Seconds of silence that windows below 30 s keep whole, if so many are asked for."""
    return max(asked, MERGE_MARGIN) if audio_context == "thinned" else asked
