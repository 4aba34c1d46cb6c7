"""A place in a sound file to samples: float32, mono, 16 kHz, in [-1, 1]."""

from __future__ import annotations

import numpy as np
import soxr

from utils.audio.clip import AudioRef
from utils.audio.decode import decode_audio

SAMPLE_RATE = 16_000  # Hz; what Whisper was trained on


def load_audio(reference: AudioRef) -> np.ndarray:
    """Read one piece of sound for the model.

    Args:
        reference: file, and where in it.

    Returns:
        float32 `(num_samples,)`, mono (mean of the channels), 16 kHz, within [-1, 1].

    Raises:
        AudioError: if the file is missing, empty, truncated or no audio.
    """
    return for_the_model(*decode_audio(reference))


def for_the_model(channels: np.ndarray, rate: int) -> np.ndarray:
    """Bring samples to what the model hears.

    Args:
        channels: float32 `(num_samples, num_channels)`.
        rate: Hz that they have.

    Returns:
        float32 `(about num_samples * 16000 / rate,)`, mean of the channels, within [-1, 1].
    """
    samples = channels.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        samples = resample(samples, rate, SAMPLE_RATE)
    return np.clip(samples, -1.0, 1.0).astype(np.float32, copy=False)


def resample(samples: np.ndarray, rate: float, new_rate: float) -> np.ndarray:
    """Samples as if they had been recorded at another rate.

    SoX's resampler, which librosa calls too; librosa itself takes seconds to import.

    Args:
        samples: float32 `(num_samples,)`.
        rate: Hz that they have.
        new_rate: Hz that they get.

    Returns:
        float32 `(about num_samples * new_rate / rate,)`.
    """
    resampled: np.ndarray = soxr.resample(samples, rate, new_rate)
    return resampled
