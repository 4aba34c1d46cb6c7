"""What can be told of a sound by listening to all of it, without a model."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import AudioError, decode_blocks
from utils.audio.fingerprint import audio_fingerprint

# A sample that the recorder cut off stands at the end of the range, with its neighbours.
CLIPPED_LEVEL = 0.999
CLIPPED_RUN = 3


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What one sound is like.

    `peak` and `loudness` (root mean square over all channels) are in dBFS, -inf for digital
    silence; `clipped` is the share of samples in runs at the end of the range; `shift` is the mean
    of the channel whose mean is farthest from 0; `sha256` is that of the samples, so that the same
    sound in two kinds of lossless file is seen as the same; `audio_fingerprint` is known after
    re-encoding too (`audio_fingerprint.py`).
    """

    duration: Seconds
    sampling_rate: int
    channels: int
    peak: float
    loudness: float
    clipped: float
    shift: float
    sha256: str
    audio_fingerprint: bytes = b""


@dataclass(frozen=True, slots=True)
class UnreadableAudio:
    """A sound that cannot be read: the kind of `AudioError`, and its message."""

    kind: str
    message: str


def probe(ref: AudioRef) -> AudioFacts | UnreadableAudio:
    """Decode one sound, a long one little by little, and measure it."""
    frames, peak, clipped, power, digest = 0, 0.0, 0.0, 0.0, hashlib.sha256()
    sums = np.zeros(1)
    rate, taken = 0, b""
    try:
        for samples, rate in decode_blocks(ref):
            if not frames:
                digest.update(rate.to_bytes(4, "little"))
            level = np.abs(samples)
            frames += len(samples)
            peak = max(peak, float(level.max()))
            power += float(np.square(samples, dtype=np.float64).mean(axis=1).sum())
            clipped += _clipped_share(level) * len(samples)
            sums = sums + samples.sum(axis=0, dtype=np.float64)
            digest.update(samples.tobytes())
            taken = taken or audio_fingerprint(samples, rate)
    except AudioError as error:
        return UnreadableAudio(error.kind, error.message)
    return AudioFacts(
        duration=frames / rate,
        sampling_rate=rate,
        channels=len(sums),
        peak=_decibels(peak),
        loudness=_decibels(math.sqrt(power / frames)),
        clipped=clipped / frames,
        shift=max((sums / frames).tolist(), key=abs),
        sha256=digest.hexdigest(),
        audio_fingerprint=taken,
    )


def _decibels(level: float) -> float:
    return 20 * math.log10(level) if level > 0 else -math.inf


def _clipped_share(level: np.ndarray) -> float:
    """Return the share of samples in runs of `CLIPPED_RUN` or more at the end of the range.

    Args:
        level: absolute samples, float32 (S, C).
    """
    if not (level >= CLIPPED_LEVEL).any():
        return 0.0
    clipped = 0
    for channel in (level >= CLIPPED_LEVEL).T:
        edges = np.flatnonzero(np.diff(channel.astype(np.int8), prepend=0, append=0))
        lengths = edges[1::2] - edges[::2]
        clipped += int(lengths[lengths >= CLIPPED_RUN].sum())
    return clipped / level.size
