"""Samples to log-mel features, as WhisperFeatureExtractor computes them, for any length.

B batch, S samples (16 kHz), F frames (10 ms each), M mel bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from utils.audio.load import SAMPLE_RATE

HOP_LENGTH = 160  # 10 ms per frame
WINDOW_LENGTH = 400  # 25 ms
SAMPLES_BEFORE = SAMPLES_AFTER = WINDOW_LENGTH // 2  # of a frame's centre, that its window takes in
WINDOW_SECONDS = 30.0
WINDOW_SAMPLES = int(WINDOW_SECONDS * SAMPLE_RATE)  # 480,000
WINDOW_FRAMES = WINDOW_SAMPLES // HOP_LENGTH  # 3,000
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH  # 100
SMALLEST_FRAMES = 50  # half a second: shorter clips are padded up to it
SMALLEST_SECONDS = SMALLEST_FRAMES / FRAMES_PER_SECOND
COMPILED_WINDOWS = (100, 200, 300, 400, 500, 650, 800, 1000, 1250, 1600, 2200, 3000)
"""Lengths, in frames, that windows are rounded up to where layers are compiled for each of them."""


def compiled_window(frames: int) -> int:
    """The smallest of the fixed windows that holds so many frames (at most 3000)."""
    return next(window for window in COMPILED_WINDOWS if window >= frames)


def window_frames(num_samples: int) -> int:
    """Number of frames of the smallest window that holds `num_samples` (even, 50 to 3000)."""
    frames = -(-num_samples // (2 * HOP_LENGTH)) * 2
    return min(max(frames, SMALLEST_FRAMES), WINDOW_FRAMES)


def pad_samples(clips: Sequence[np.ndarray], num_frames: int) -> torch.Tensor:
    """Stack clips into one zero-padded batch.

    Args:
        clips: float32 `(num_samples,)` each; what passes the window is cut off.
        num_frames: F, the window in frames.

    Returns:
        float32 `(B, F * 160)`.
    """
    batch = torch.zeros(len(clips), num_frames * HOP_LENGTH)
    for row, clip in zip(batch, clips, strict=True):
        kept = clip[: row.shape[0]]
        row[: len(kept)] = torch.from_numpy(np.ascontiguousarray(kept, dtype=np.float32))
    return batch


class LogMel:
    """Log-mel spectrogram with the scaling of Whisper.

    The same formula as `WhisperFeatureExtractor` (log10, floor at the clip's maximum minus 8,
    then (x + 4) / 4), computed for a whole batch at once in torch and for windows of any length.

    Args:
        mel_filters: float `(201, M)`, the filter bank of the model's feature extractor.
    """

    def __init__(self, mel_filters: np.ndarray) -> None:
        self.filters = torch.from_numpy(np.asarray(mel_filters, dtype=np.float32)).T.contiguous()
        self.window = torch.hann_window(WINDOW_LENGTH)

    @property
    def num_mel_bins(self) -> int:
        """M, 80 or 128."""
        return self.filters.shape[0]

    def __call__(self, samples: torch.Tensor) -> torch.Tensor:
        """Log-mel features of a batch.

        Args:
            samples: float32 `(B, S)` in [-1, 1], S a multiple of 160.

        Returns:
            float32 `(B, M, S / 160)`.
        """
        edges = (SAMPLES_BEFORE, SAMPLES_AFTER - HOP_LENGTH)
        log_power = self.log_power(torch.nn.functional.pad(samples, edges, mode="reflect"))
        return scaled(log_power, log_power.amax(dim=(1, 2), keepdim=True))

    def log_power(self, samples: torch.Tensor) -> torch.Tensor:
        """What the features are before they are scaled by the loudest one of the recording.

        Args:
            samples: float32 `(B, S)`, with 200 samples before the first frame's centre and 200
                after the last one's; centres are 160 apart.

        Returns:
            float32 `(B, M, F)`, log10 of the power.
        """
        spectrum = torch.stft(
            samples,
            WINDOW_LENGTH,
            HOP_LENGTH,
            window=self.window,
            center=False,
            return_complex=True,
        )
        return (self.filters @ spectrum.abs().square()).clamp(min=1e-10).log10()


def scaled(log_power: torch.Tensor, peak: torch.Tensor) -> torch.Tensor:
    """Features as the model takes them.

    Args:
        log_power: float32, of `LogMel.log_power`.
        peak: the largest value of the whole clip or recording, of a shape that broadcasts.
    """
    return (torch.maximum(log_power, peak - 8.0) + 4.0) / 4.0
