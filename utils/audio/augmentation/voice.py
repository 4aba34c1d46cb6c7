"""Augmentations of the voice alone: the tempo without the pitch, the pitch without the tempo.

librosa does both, by a phase vocoder. It takes seconds to import, once in each decoding process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.audio.augmentation.channel import Sentences
from utils.audio.augmentation.lengths import moved, of_length
from utils.audio.augmentation.parameters import expect
from utils.audio.features import SAMPLE_RATE, WINDOW_SAMPLES

FFT_SAMPLES = 1024
"""64 ms: librosa's 2048 are for music, and blur the onsets of speech at 16 kHz."""


@dataclass(frozen=True)
class Tempo:
    """Let the speaker talk faster or slower, with the same pitch."""

    min_tempo_rate: float = 0.9
    max_tempo_rate: float = 1.1

    def __post_init__(self) -> None:
        expect(self.min_tempo_rate <= self.max_tempo_rate, "min_tempo_rate", "<= max_tempo_rate")
        expect(self.min_tempo_rate >= 0.5, "min_tempo_rate", "0.5 or more")
        expect(self.max_tempo_rate <= 2.0, "max_tempo_rate", "2 or less")

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return the sound at another tempo and the sentences at their new times.

        What would then pass 30 s, or is shorter than 64 ms, stays as it is.
        """
        rate = float(rng.uniform(self.min_tempo_rate, self.max_tempo_rate))
        length = round(len(samples) / rate)
        if len(samples) < FFT_SAMPLES or length > max(WINDOW_SAMPLES, len(samples)):
            return samples, sentences
        import librosa

        changed = librosa.effects.time_stretch(samples, rate=rate, n_fft=FFT_SAMPLES)
        return of_length(_within_range(changed), length), moved(sentences, 1.0 / rate, 0.0, length)


@dataclass(frozen=True)
class Pitch:
    """Let the speaker have a higher or lower voice, at the same tempo."""

    min_semitones: float = -2.0
    max_semitones: float = 2.0

    def __post_init__(self) -> None:
        expect(self.min_semitones <= self.max_semitones, "min_semitones", "<= max_semitones")
        expect(self.min_semitones >= -12, "min_semitones", "-12 or more")
        expect(self.max_semitones <= 12, "max_semitones", "12 or less")

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return sound of the same length; what is shorter than 64 ms stays as it is."""
        semitones = float(rng.uniform(self.min_semitones, self.max_semitones))
        if len(samples) < FFT_SAMPLES:
            return samples, sentences
        import librosa

        changed = librosa.effects.pitch_shift(
            samples, sr=SAMPLE_RATE, n_steps=semitones, n_fft=FFT_SAMPLES
        )
        return of_length(_within_range(changed), len(samples)), sentences


def _within_range(samples: np.ndarray) -> np.ndarray:
    """Scale down what passes 1, and keep it float32."""
    scaled = samples / max(1.0, float(np.abs(samples).max(initial=0.0)))
    return scaled.astype(np.float32, copy=False)
