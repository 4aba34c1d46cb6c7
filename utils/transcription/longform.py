"""Recordings over 30 s, window by window, as Whisper's own long form cuts them.

A window's answer holds timestamps. Where two of them stand side by side a sentence has ended and
the next one begins; the last such place is where the next window starts, since what follows it was
cut off by the window's end.

M mel bins, F frames (10 ms each).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from utils.data.labels import LAST_TIMESTAMP, TIMESTAMP_STEP

FRAMES_PER_TIMESTAMP = 2  # 20 ms in frames of 10 ms


@dataclass(frozen=True)
class Piece:
    """A stretch of a window's answer, with its times in seconds from the window's start."""

    start: float
    end: float
    ids: tuple[int, ...]


def mel_slice(features: torch.Tensor, begin: int, frames: int) -> torch.Tensor:
    """A window of a recording's features, zeros after its end.

    Zeros stand in feature space, as in the reference implementation, and not for silence.

    Args:
        features: float32 `(M, F)` of the whole recording.
        begin: first frame.
        frames: length of the window.

    Returns:
        float32 `(M, frames)`.
    """
    window = features[:, begin : begin + frames]
    return pad(window, (0, frames - window.shape[1]))


def cut_at_timestamps(
    ids: Sequence[int], frames: int, first_timestamp: int
) -> tuple[list[Piece], int]:
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
        return [Piece(0.0, end, tuple(ids))], frames
    # One timestamp at the very end: nothing is said after it, the window is done.
    if timed[-2:] == [False, True]:
        ends.append(len(ids))
        step = frames
    else:
        step = (ids[ends[-1] - 1] - first_timestamp) * FRAMES_PER_TIMESTAMP
    pieces = [
        Piece(seconds(ids[begin]), seconds(ids[end - 1]), tuple(ids[begin:end]))
        for begin, end in zip([0, *ends], ends, strict=False)
    ]
    return pieces, min(step, frames) or frames
