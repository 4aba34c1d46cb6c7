"""Augmentations that are what lies between a mouth and a file: a room, a line, a mobile phone.

Samples are float32 (num_samples,), 16 kHz, in [-1, 1].
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from utils.audio.augmentation.parameters import expect, recordings_in
from utils.audio.clip import AudioRef, Seconds, TimedSentence
from utils.audio.features import SAMPLE_RATE
from utils.audio.load import load_audio, resample

MOBILE_RATE = 8000  # Hz

Sentences = tuple[TimedSentence, ...] | None


@dataclass(frozen=True)
class Reverb:
    """Let the sound ring as in a room: noise that falls by 60 dB within a time, after each sound.

    The room is made, not measured: white noise under an exponential, which is what late echoes
    are (Moorer, "About This Reverberation Business", 1979). With `rir_dir` it is one of the
    measured impulse responses in that folder, and the times and levels say nothing.
    """

    min_rt60: float = 0.1
    max_rt60: float = 0.6
    min_direct_dB: float = 0.0  # noqa: N815 (spelled like the published parameters)
    max_direct_dB: float = 15.0  # noqa: N815
    rir_dir: str = ""
    files: tuple[tuple[str, Seconds], ...] = field(default=(), init=False, repr=False)

    def prepared(self) -> Reverb:
        """Return this with the impulse responses found.

        Raises:
            UserError: the folder is missing, has no audio, or has audio that cannot be read.
        """
        prepared = replace(self)
        if self.rir_dir:
            files = recordings_in(Path(self.rir_dir), "impulse responses", "rir_dir")
            object.__setattr__(prepared, "files", files)
        return prepared

    def __post_init__(self) -> None:
        expect(self.min_rt60 <= self.max_rt60, "min_rt60", "no more than max_rt60")
        expect(self.min_rt60 >= 0.02, "min_rt60", "0.02 seconds or more")
        expect(self.max_rt60 <= 5.0, "max_rt60", "5 seconds or less")
        expect(self.min_direct_dB <= self.max_direct_dB, "min_direct_dB", "<= max_direct_dB")
        expect(self.min_direct_dB >= -20, "min_direct_dB", "-20 or more")
        expect(self.max_direct_dB <= 60, "max_direct_dB", "60 or less")

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return the sound with its echoes, of the same length, at its own level and times.

        The direct sound is louder than all echoes together by `direct_dB`, and comes at once.
        """
        if self.files:
            echoes = _measured(self.files[int(rng.integers(len(self.files)))][0])
        else:
            echoes = self._made(rng)
        size = len(samples) + len(echoes)
        spectrum = np.fft.rfft(samples.astype(np.float64), size) * np.fft.rfft(echoes, size)
        rung = np.fft.irfft(spectrum, size)[: len(samples)]
        before, after = float(np.abs(samples).max(initial=0.0)), float(np.abs(rung).max(initial=0))
        if after == 0.0:
            return samples, sentences
        return (rung * (before / after)).astype(np.float32), sentences

    def _made(self, rng: np.random.Generator) -> np.ndarray:
        """Return an impulse response, float64 (num_samples,), whose first sample is 1."""
        seconds = rng.uniform(self.min_rt60, self.max_rt60)
        ratio = rng.uniform(self.min_direct_dB, self.max_direct_dB)
        time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        echoes = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
        echoes[0] = 0.0
        echoes *= 10 ** (-ratio / 20) / np.sqrt(np.sum(echoes**2))
        echoes[0] = 1.0
        return echoes


@lru_cache(maxsize=64)
def _measured(path: str) -> np.ndarray:
    """Read an impulse response from its loudest sample on: that is the direct sound."""
    response = load_audio(AudioRef(path)).astype(np.float64)
    return response[int(np.abs(response).argmax()) :]


@dataclass(frozen=True)
class Codec:
    """Send the sound over a telephone line: a narrow band, and 8 bits a sample (G.711's mu-law)."""

    low_Hz: float = 300.0  # noqa: N815
    high_Hz: float = 3400.0  # noqa: N815
    bits: int = 8

    def __post_init__(self) -> None:
        expect(0 <= self.low_Hz < self.high_Hz, "low_Hz", "0 or more, and below high_Hz")
        expect(self.high_Hz <= SAMPLE_RATE / 2, "high_Hz", f"{SAMPLE_RATE // 2} or less")
        expect(4 <= self.bits <= 16, "bits", "between 4 and 16")

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return what the other end hears, of the same length; silence stays silence."""
        spectrum = np.fft.rfft(samples.astype(np.float64))
        frequency = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
        spectrum[(frequency < self.low_Hz) | (frequency > self.high_Hz)] = 0.0
        narrow = np.clip(np.fft.irfft(spectrum, len(samples)), -1.0, 1.0)
        mu, steps = 255.0, 2 ** (self.bits - 1) - 1
        pressed = np.sign(narrow) * np.log1p(mu * np.abs(narrow)) / np.log1p(mu)
        sent = np.round(pressed * steps) / steps
        heard = np.sign(sent) * np.expm1(np.abs(sent) * np.log1p(mu)) / mu
        return heard.astype(np.float32), sentences


@dataclass(frozen=True)
class Mobile:
    """Send the sound over a mobile phone: GSM's full-rate codec (GSM 06.10), 13 kbit/s at 8 kHz.

    The codec is libsndfile's, which soundfile brings. It models a voice, so what is no voice comes
    out changed most.
    """

    def __post_init__(self) -> None:
        known = "GSM610" in soundfile.available_subtypes("WAV")
        expect(known, "type", "another: this build of libsndfile has no GSM 06.10")

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return what the other end hears, of the same length; silence stays silence."""
        narrow = resample(samples, SAMPLE_RATE, MOBILE_RATE)
        if not len(narrow) or not narrow.any():
            return samples, sentences  # the codec gives a faint tone for silence
        file = io.BytesIO()
        narrow = np.clip(narrow, -1.0, 1.0)
        soundfile.write(file, narrow, MOBILE_RATE, format="WAV", subtype="GSM610")
        file.seek(0)
        sent, _ = soundfile.read(file, dtype="float32")
        # The codec fills its last frame up; a resampler rounds lengths in its own way.
        heard = resample(sent, MOBILE_RATE, SAMPLE_RATE)[: len(samples)]
        return np.pad(heard, (0, len(samples) - len(heard))), sentences
