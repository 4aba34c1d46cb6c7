"""A room rings for as long as it says, and a telephone line is narrow and coarse."""

from __future__ import annotations

import numpy as np
import pytest

from utils.audio.augmentation.channel import Codec, Mobile, Reverb

RATE = 16_000


def click() -> np.ndarray:
    samples = np.zeros(RATE, dtype=np.float32)
    samples[0] = 0.5
    return samples


@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.9])
def test_echoes_fall_by_60_decibels_in_their_time(seconds: float) -> None:
    room = Reverb(seconds, seconds, 0.0, 0.0)
    rung, _ = room.waveform(click(), None, np.random.default_rng(0))
    blocks = rung[1 : round(seconds * RATE * 0.9)]
    levels = [10 * np.log10(np.mean(b.astype(float) ** 2)) for b in np.array_split(blocks, 20)]
    slope = np.polyfit(np.linspace(0, 0.9 * seconds, 20), levels, 1)[0]
    assert slope * seconds == pytest.approx(-60, abs=4)


@pytest.mark.parametrize("decibels", [0.0, 10.0])
def test_the_direct_sound_is_louder_than_its_echoes_by_its_decibels(decibels: float) -> None:
    room = Reverb(0.4, 0.4, decibels, decibels)
    rung, _ = room.waveform(click(), None, np.random.default_rng(0))
    ratio = float(rung[0]) ** 2 / float(np.sum(rung[1:].astype(float) ** 2))
    assert 10 * np.log10(ratio) == pytest.approx(decibels, abs=0.1)
    assert len(rung) == RATE


def test_a_telephone_line_passes_its_band_alone() -> None:
    noise = 0.2 * np.random.default_rng(0).standard_normal(4 * RATE).clip(-4, 4)
    heard, _ = Codec(bits=16).waveform(noise.astype(np.float32), None, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(heard)) ** 2
    frequency = np.fft.rfftfreq(len(heard), 1 / RATE)
    inside = (frequency > 350) & (frequency < 3350)
    outside = (frequency < 250) | (frequency > 3450)
    assert 10 * np.log10(power[inside].mean() / power[outside].mean()) > 30


def test_eight_bits_cost_what_mu_law_costs() -> None:
    time = np.arange(RATE) / RATE
    sound = (0.3 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    heard, _ = Codec().waveform(sound, None, np.random.default_rng(0))
    error = float(np.mean((heard - sound) ** 2))
    ratio = 10 * np.log10(float(np.mean(sound**2)) / error)
    assert 30 < ratio < 45  # G.711 has about 38 dB over its whole range
    assert len(np.unique(heard)) <= 256


def hum(seconds: float = 1.0) -> np.ndarray:
    """A sound as of a voice: 120 Hz with overtones up to 7 kHz, swelling and fading."""
    time = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * 120 * n * time) / n for n in range(1, 58))
    return (0.15 * tones * (1 + 0.5 * np.sin(2 * np.pi * 3 * time))).astype(np.float32)


def test_a_mobile_phone_keeps_a_voice_below_4_kilohertz_and_in_time() -> None:
    sound = hum()
    heard, sentences = Mobile().waveform(sound, None, np.random.default_rng(0))
    assert (len(heard), heard.dtype, sentences) == (len(sound), np.float32, None)
    power = np.abs(np.fft.rfft(heard)) ** 2
    frequency = np.fft.rfftfreq(len(heard), 1 / RATE)
    beyond, within = power[frequency > 4200].sum(), power[frequency < 3800].sum()
    assert 10 * np.log10(within / beyond) > 30
    shifts = range(-80, 81)
    fits = [float(np.dot(np.roll(sound, shift), heard)) for shift in shifts]
    assert abs(shifts[int(np.argmax(fits))]) <= 8  # half a millisecond


def test_a_mobile_phone_costs_what_13_kilobits_cost() -> None:
    sound = hum()
    spectrum = np.fft.rfft(sound.astype(np.float64))
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) > 3800] = 0
    narrow = np.fft.irfft(spectrum, len(sound))
    heard, _ = Mobile().waveform(narrow.astype(np.float32), None, np.random.default_rng(0))
    error = float(np.mean((heard - narrow) ** 2))
    ratio = 10 * np.log10(float(np.mean(narrow**2)) / error)
    assert 5 < ratio < 30  # a line with 8 bits a sample has 38 dB


@pytest.mark.parametrize("length", [0, 1, 2, 3, 319, 321])
def test_a_mobile_phone_keeps_the_length_of_the_shortest_sounds(length: int) -> None:
    sound = np.full(length, 0.3, np.float32)
    heard, _ = Mobile().waveform(sound, None, np.random.default_rng(0))
    assert heard.shape == sound.shape and np.isfinite(heard).all()


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        (Reverb, {"max_rt60": 9.0}, "max_rt60 must be"),
        (Reverb, {"min_rt60": 0.5, "max_rt60": 0.2}, "no more than max_rt60"),
        (Codec, {"high_Hz": 9000.0}, "high_Hz must be"),
        (Codec, {"bits": 2}, "between 4 and 16"),
    ],
)
def test_what_is_out_of_range_is_named(kind: type, params: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**params)
