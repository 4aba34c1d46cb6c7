"""Recordings over 30 s, window by window, as Whisper's own long form cuts them.

A window's answer holds timestamps. Where two of them stand side by side a sentence has ended and
the next one begins; the last such place is where the next window starts, since what follows it was
cut off by the window's end.

M mel bins, F frames (10 ms each).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.nn.functional import pad

from utils.audio.features import (
    HOP_LENGTH,
    SAMPLES_AFTER,
    SAMPLES_BEFORE,
    WINDOW_FRAMES,
    LogMel,
    scaled,
)
from utils.data.labels import LAST_TIMESTAMP, TIMESTAMP_STEP

FRAMES_PER_TIMESTAMP = 2  # 20 ms in frames of 10 ms


class Samples(Protocol):
    """Samples of a recording, in memory or on a disk: float32, mono, 16 kHz."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """Some of them, float32 `(num_samples,)`."""


@dataclass(frozen=True)
class WindowSegment:
    """A stretch of a window's answer, with its times in seconds from the window's start."""

    start: float
    end: float
    ids: tuple[int, ...]


class RecordingFeatures:
    """Features of a recording, computed for a window when it is asked for.

    They are those of the whole recording, sliced: a frame hears across the window's ends, and all
    are scaled by the loudest frame of the recording. Two hours of them would take 1.5 GB.

    Args:
        log_mel: of the model.
        samples: of the recording.
    """

    def __init__(self, log_mel: LogMel, samples: Samples) -> None:
        self.log_mel = log_mel
        self.samples = samples
        self.num_frames = -(-len(samples) // HOP_LENGTH)
        starts = range(0, self.num_frames, WINDOW_FRAMES)
        peaks = [self._log_power(i, min(i + WINDOW_FRAMES, self.num_frames)).max() for i in starts]
        self.peak = torch.stack(peaks).max()

    def window(self, begin: int, frames: int) -> torch.Tensor:
        """The features from a frame on, zeros after the recording's end.

        Zeros stand in feature space, as in the reference implementation, and not for silence.

        Args:
            begin: first frame.
            frames: F, length of the window.

        Returns:
            float32 `(M, F)`.
        """
        end = min(begin + frames, self.num_frames)
        found = scaled(self._log_power(begin, end), self.peak)
        return pad(found, (0, frames - found.shape[1]))

    def _log_power(self, begin: int, end: int) -> torch.Tensor:
        """float32 `(M, end - begin)`."""
        whole = self.num_frames * HOP_LENGTH
        first = begin * HOP_LENGTH - SAMPLES_BEFORE
        last = (end - 1) * HOP_LENGTH + SAMPLES_AFTER
        found = self.samples[max(first, 0) : min(last, whole)]
        silence = min(last, whole) - max(first, 0) - len(found)
        # As torch.stft does it: silence to a whole frame, then mirrored at both ends.
        filled = np.pad(found, (0, silence))
        mirrored = np.pad(filled, (max(-first, 0), max(last - whole, 0)), mode="reflect")
        return self.log_mel.log_power(torch.from_numpy(mirrored)[None])[0]


def cut_at_timestamps(
    ids: Sequence[int], frames: int, first_timestamp: int
) -> tuple[list[WindowSegment], int]:
    """Cut a window's answer into sentences and find where the next window begins.

    Args:
        ids: the answer, without end-of-text.
        frames: how much of the window is recording, not padding.
        first_timestamp: id of `<|0.00|>`.

    Returns:
        The sentences that are complete, and the number of frames to go on by: never 0, so that
        there is always an end.
    """

    def seconds(token: int) -> float:
        return (token - first_timestamp) * TIMESTAMP_STEP

    timed = [first_timestamp <= token <= first_timestamp + LAST_TIMESTAMP for token in ids]
    ends = [i + 1 for i in range(len(ids) - 1) if timed[i] and timed[i + 1]]
    whole = frames / FRAMES_PER_TIMESTAMP * TIMESTAMP_STEP
    if not ends:
        stamps = [token for token, is_time in zip(ids, timed, strict=True) if is_time]
        end = seconds(stamps[-1]) if stamps and stamps[-1] != first_timestamp else whole
        return [WindowSegment(0.0, end, tuple(ids))], frames
    # One timestamp at the very end: nothing is said after it, the window is done.
    if timed[-2:] == [False, True]:
        ends.append(len(ids))
        step = frames
    else:
        step = (ids[ends[-1] - 1] - first_timestamp) * FRAMES_PER_TIMESTAMP
    segments = [
        WindowSegment(seconds(ids[begin]), seconds(ids[end - 1]), tuple(ids[begin:end]))
        for begin, end in zip([0, *ends], ends, strict=False)
    ]
    return segments, min(step, frames) or frames
