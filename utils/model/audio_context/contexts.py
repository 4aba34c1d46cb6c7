"""The audio contexts: how much of the 30 s window is computed, and what silence each keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.audio.clip import Seconds
from utils.audio.features import SAMPLE_RATE, WINDOW_FRAMES, window_frames
from utils.model.audio_context.token_merging import MERGE_MARGIN, MERGE_STRIDE

AUDIO_CONTEXTS = ("full", "thinned", "mixed", "dynamic")
"""What a model was trained on: windows of 30 s (full), windows of 30 s whose silence is thinned
(`token_merging.py`), a variable-length audio context that ends with the speech (dynamic), or that
and windows of 30 s (mixed)."""

WindowKind = Literal["dynamic", "thinned", "full"]


def merge_stride_of(audio_context: str) -> int:
    """Positions of the silence that one stands for; 0 where nothing is thinned."""
    return MERGE_STRIDE if audio_context == "thinned" else 0


def silence_kept(audio_context: str, asked: Seconds) -> Seconds:
    """Seconds of silence that windows below 30 s keep whole, if so many are asked for."""
    return max(asked, MERGE_MARGIN) if audio_context == "thinned" else asked


@dataclass(frozen=True)
class Windows:
    """The windows that a model is given.

    Attributes:
        kind: "full": 30 s; "dynamic": they end with the longest clip of the batch; "thinned": 30 s,
            few of whose silent positions are computed.
        margin: seconds of silence after the longest clip, in windows that are not full.
    """

    kind: WindowKind
    margin: Seconds

    @classmethod
    def of(cls, kind: WindowKind, margin: Seconds) -> Windows:
        """Windows with the silence that their kind keeps, if so much is asked for."""
        return cls(kind, silence_kept(kind, margin))

    def frames(self, num_samples: int) -> int:
        """Frames that are computed for a batch whose longest clip has so many samples."""
        if self.kind == "full":
            return WINDOW_FRAMES
        return window_frames(num_samples + round(self.margin * SAMPLE_RATE))

    @property
    def merge_stride(self) -> int:
        """What the encoder takes for them; 0 where nothing is thinned."""
        return merge_stride_of(self.kind)
