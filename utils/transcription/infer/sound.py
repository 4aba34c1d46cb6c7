"""Recordings of any length as samples, of which only a little is in memory.

S samples of one channel, C channels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import decode_blocks
from utils.audio.features import SAMPLE_RATE
from utils.audio.load import for_the_model
from utils.audio.segmentation import Stretch
from utils.audio.vad import speech_throughout
from utils.transcription.longform import Samples

# What is more than so many values, of all channels, goes to a file: 16 MB.
MOST_VALUES = 4_000_000
PIECE = 1_000_000  # samples that are mixed and resampled at a time


class StoredSamples:
    """Samples in a file, read where they are asked for.

    Args:
        file: an open one of float32 values, at 16 kHz; it is gone when it is closed.
        length: how many there are.
    """

    def __init__(self, file: Any, length: int) -> None:
        self.file = file
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, part: slice) -> np.ndarray:
        """Float32 `(num_samples,)`."""
        start, stop, _ = part.indices(self.length)
        found = np.empty(max(stop - start, 0), np.float32)
        self.file.seek(4 * start)
        self.file.readinto(found)
        return found


def read_samples(path: Path, folder: Path) -> Samples:
    """Decode a recording for the model.

    Args:
        path: of a sound or video file; its first sound track is taken, the mean of its channels.
        folder: for a file without a name, of a recording that is not held in memory.

    Returns:
        What `load_audio` returns; of long ones in a file.

    Raises:
        AudioError: it is missing, damaged, or holds no sound.
        OSError: the disk is full.
    """
    blocks = decode_blocks(AudioRef(str(path)))
    held: list[np.ndarray] = []
    for samples, rate in blocks:
        held.append(samples)
        if sum(each.size for each in held) > MOST_VALUES:
            return _stored(held, blocks, rate, folder)
    return for_the_model(held[0] if len(held) == 1 else np.concatenate(held), rate)


def _stored(
    held: list[np.ndarray], rest: Iterator[tuple[np.ndarray, int]], rate: int, folder: Path
) -> StoredSamples:
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32")
    folder.mkdir(parents=True, exist_ok=True)
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as the samples
    written = 0

    def put(channels: np.ndarray, *, last: bool = False) -> None:
        nonlocal written
        mono = channels.mean(axis=1, dtype=np.float32)
        if rate != SAMPLE_RATE:
            mono = stream.resample_chunk(mono, last=last)
        file.write(np.clip(mono, -1.0, 1.0).astype(np.float32, copy=False).tobytes())
        written += len(mono)

    def put_all(channels: np.ndarray) -> None:
        for first in range(0, len(channels), PIECE):
            put(channels[first : first + PIECE])

    while held:
        put_all(held.pop(0))
    for samples, _ in rest:
        put_all(samples)
    put(np.zeros((0, 1), np.float32), last=True)
    file.flush()
    return StoredSamples(file, written)


def speech_in_recording(samples: Samples, longest: Seconds) -> list[Stretch]:
    """Find where somebody speaks.

    Args:
        samples: of a recording.
        longest: speech without a pause is cut after so many seconds.
    """

    def read(start: Seconds, end: Seconds) -> np.ndarray:
        return samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]

    return speech_throughout(read, len(samples) / SAMPLE_RATE, longest)
