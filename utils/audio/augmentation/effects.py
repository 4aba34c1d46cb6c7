"""The augmentations: each a dataclass whose fields are its parameters.

To add one: write it like those below, and give it a row in `AUGMENTATIONS`. Samples are float32
(num_samples,), 16 kHz, in [-1, 1]; features are float32 (n_mels, num_frames) of the spoken frames
alone, without padding. None changes what it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from utils.audio.augmentation.channel import Codec, Mobile, Reverb, Sentences
from utils.audio.augmentation.lengths import moved, of_length
from utils.audio.augmentation.parameters import expect, recordings_in
from utils.audio.augmentation.voice import Pitch, Tempo
from utils.audio.clip import AudioRef, Seconds
from utils.audio.features import SAMPLE_RATE, WINDOW_SAMPLES
from utils.audio.load import load_audio, resample

LARGEST_SHIFT_MS = 5_000


@dataclass(frozen=True)
class Resample:
    """Take the sound to another sampling rate and back: what a lower rate cannot hold is lost."""

    new_sample_rates: tuple[int, ...] = (8000, 32000, 44100)

    def __post_init__(self) -> None:
        expect(bool(self.new_sample_rates), "new_sample_rates", "at least one rate")
        good = all(1_000 <= rate <= 400_000 for rate in self.new_sample_rates)
        expect(good, "new_sample_rates", "rates in Hz between 1000 and 400000")

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return samples of the same length, and the sentences as they are."""
        rate = int(rng.choice(self.new_sample_rates))
        there = resample(samples, SAMPLE_RATE, rate)
        return of_length(resample(there, rate, SAMPLE_RATE), len(samples)), sentences


@dataclass(frozen=True)
class Noise:
    """Add a piece of a recording of noise at a ratio of speech to noise in dB."""

    min_snr_dB: float = 10.0  # noqa: N815 (the published spelling)
    max_snr_dB: float = 50.0  # noqa: N815
    noise_dir: str = "dataset/noise/"
    files: tuple[tuple[str, Seconds], ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        expect(self.min_snr_dB <= self.max_snr_dB, "min_snr_dB", "no more than max_snr_dB")
        expect(self.min_snr_dB >= -50, "min_snr_dB", "-50 or more")
        expect(self.max_snr_dB <= 100, "max_snr_dB", "100 or less")

    def prepared(self) -> Noise:
        """Return this with the noise files found and measured.

        Raises:
            UserError: the folder is missing, has no audio, or has audio that cannot be read.
        """
        prepared = replace(self)
        object.__setattr__(
            prepared, "files", recordings_in(Path(self.noise_dir), "noise", "noise_dir")
        )
        return prepared

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return the mix, scaled down where it would pass 1; silence stays as it is."""
        path, seconds = self.files[int(rng.integers(len(self.files)))]
        snr = rng.uniform(self.min_snr_dB, self.max_snr_dB)
        wanted = len(samples) / SAMPLE_RATE
        start = rng.uniform(0.0, max(0.0, seconds - wanted))
        noise = _piece_of_noise(path, start, wanted if seconds > wanted else None, len(samples))
        speech_power, noise_power = _power(samples), _power(noise)
        if speech_power == 0.0 or noise_power == 0.0:
            return samples, sentences  # a ratio to silence is no number
        gain = math.sqrt(speech_power / noise_power / 10 ** (snr / 10))
        mix = samples + np.float32(gain) * noise
        return mix / max(1.0, float(np.abs(mix).max())), sentences


@dataclass(frozen=True)
class Speed:
    """Play the sound faster or slower, pitch included.

    With `num_rates`, one of so many rates evenly spread; with 0, any rate between the two.
    """

    min_speed_rate: float = 0.9
    max_speed_rate: float = 1.1
    num_rates: int = 3

    def __post_init__(self) -> None:
        expect(self.min_speed_rate <= self.max_speed_rate, "min_speed_rate", "<= max_speed_rate")
        expect(self.min_speed_rate >= 0.5, "min_speed_rate", "0.5 or more")
        expect(self.max_speed_rate <= 2.0, "max_speed_rate", "2 or less")
        expect(self.num_rates >= 0, "num_rates", "0 or more")

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return the sound at another speed and the sentences at their new times.

        What would then pass 30 s stays as it is.
        """
        if self.num_rates:
            rates = np.linspace(self.min_speed_rate, self.max_speed_rate, self.num_rates)
            rate = float(rng.choice(rates))
        else:
            rate = float(rng.uniform(self.min_speed_rate, self.max_speed_rate))
        length = round(len(samples) / rate)
        if abs(rate - 1.0) < 1e-6 or length > max(WINDOW_SAMPLES, len(samples)) or length < 1:
            return samples, sentences
        # Samples taken as if recorded at rate * 16 kHz last 1 / rate as long at 16 kHz.
        changed = of_length(resample(samples, SAMPLE_RATE * rate, SAMPLE_RATE), length)
        return changed, moved(sentences, 1.0 / rate, 0.0, length)


@dataclass(frozen=True)
class Shift:
    """Let the sound begin earlier (more than 0 ms: its beginning is cut off) or later (less)."""

    min_shift_ms: float = -5.0
    max_shift_ms: float = 5.0

    def __post_init__(self) -> None:
        expect(self.min_shift_ms <= self.max_shift_ms, "min_shift_ms", "<= max_shift_ms")
        expect(self.min_shift_ms >= -LARGEST_SHIFT_MS, "min_shift_ms", f"{-LARGEST_SHIFT_MS}+")
        expect(self.max_shift_ms <= LARGEST_SHIFT_MS, "max_shift_ms", f"<= {LARGEST_SHIFT_MS}")

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return the sound cut or with silence before it, at most 30 s, and the new times.

        Nothing is cut from its end, and never more than half of it from its beginning.
        """
        milliseconds = rng.uniform(self.min_shift_ms, self.max_shift_ms)
        shift = round(milliseconds * SAMPLE_RATE / 1000)
        shift = min(shift, len(samples) // 2)
        shift = max(shift, min(0, len(samples) - WINDOW_SAMPLES))
        if shift >= 0:
            shifted = samples[shift:]
        else:
            shifted = np.concatenate([np.zeros(-shift, samples.dtype), samples])
        return shifted, moved(sentences, 1.0, -shift / SAMPLE_RATE, len(shifted))


@dataclass(frozen=True)
class Volume:
    """Make the sound louder or softer by some dB, at most as loud as it can be undistorted."""

    min_gain_dBFS: float = -15.0  # noqa: N815 (the published spelling)
    max_gain_dBFS: float = 15.0  # noqa: N815

    def __post_init__(self) -> None:
        expect(self.min_gain_dBFS <= self.max_gain_dBFS, "min_gain_dBFS", "<= max_gain_dBFS")
        expect(self.min_gain_dBFS >= -100, "min_gain_dBFS", "-100 or more")
        expect(self.max_gain_dBFS <= 100, "max_gain_dBFS", "100 or less")

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Return the samples times one factor."""
        gain = 10 ** (rng.uniform(self.min_gain_dBFS, self.max_gain_dBFS) / 20)
        peak = float(np.abs(samples).max(initial=0.0))
        if peak > 0.0:
            gain = min(gain, 1.0 / peak)
        return samples * np.float32(gain), sentences


@dataclass(frozen=True)
class SpecAugment:
    """Hide some bands of frequency and some stretches of time of the features.

    Stretches together hide at most `max_time_share` of the frames, bands together at most
    `max_freq_share` of the bins, however short the sound: the widths shrink where needed.
    """

    freq_masks: int = 2
    freq_width: int = 10
    time_masks: int = 2
    time_width: int = 50
    max_freq_share: float = 0.5
    max_time_share: float = 0.3

    def __post_init__(self) -> None:
        for name in ("freq_masks", "freq_width", "time_masks", "time_width"):
            expect(getattr(self, name) >= 0, name, "0 or more")
        for name in ("max_freq_share", "max_time_share"):
            expect(0.0 <= getattr(self, name) <= 1.0, name, "between 0 and 1")

    def features(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a copy of the features, the hidden parts at the mean of all."""
        masked = features.copy()
        hidden = features.mean() if features.size else 0.0
        bins, frames = features.shape
        for start, end in _masks(bins, self.freq_masks, self.freq_width, self.max_freq_share, rng):
            masked[start:end] = hidden
        for start, end in _masks(
            frames, self.time_masks, self.time_width, self.max_time_share, rng
        ):
            masked[:, start:end] = hidden
        return masked


Augmentation = (
    Resample
    | Noise
    | Speed
    | Tempo
    | Pitch
    | Shift
    | Volume
    | Reverb
    | Codec
    | Mobile
    | SpecAugment
)

AUGMENTATIONS: dict[str, type[Augmentation]] = {
    "resample": Resample,
    "noise": Noise,
    "speed": Speed,
    "tempo": Tempo,
    "pitch": Pitch,
    "shift": Shift,
    "volume": Volume,
    "reverb": Reverb,
    "codec": Codec,
    "mobile": Mobile,
    "spec_augment": SpecAugment,
}


# ---------------------------------------------------------------------------------------------
# Parts of the above.


def _power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def _piece_of_noise(path: str, start: Seconds, wanted: Seconds | None, length: int) -> np.ndarray:
    """Read noise from a file, repeated where the file is too short; float32 (length,)."""
    if wanted is None:
        return np.resize(load_audio(AudioRef(path)), length)
    return np.resize(load_audio(AudioRef(path, start, start + wanted)), length)


def _masks(
    size: int, count: int, width: int, share: float, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Yield `count` stretches (start, end) that cover at most `share` of `size` together."""
    if not count:
        return
    widest = min(width, math.floor(share * size / count))
    for _ in range(count):
        chosen = int(rng.integers(widest + 1))
        start = int(rng.integers(size - chosen + 1))
        yield start, start + chosen
