"""A print of how a sound begins, by which the same recording is known after re-encoding.

The signs of how energy changes over bands and time survive another codec, gain or sampling rate;
what is compared begins where the sound does, so that a little silence more or less does not matter.
After J. Haitsma and T. Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002, with
wider bands and a longer step in time, which hold better on speech.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from utils.manifest.utterance import Seconds

HOP: Seconds = 0.016
_WINDOW: Seconds = 0.128
_BAND_EDGES = np.geomspace(300.0, 3600.0, 10)  # Hz; telephones carry these too
_LAG = 8  # hops between the two times that are compared
# Three seconds: longer ones cost memory and tell little more.
MOST_STEPS = 200
# Shorter ones (half a second) are too much alike.
LEAST_STEPS = 20
# What does not change, such as a pure tone, is like anything else that does not.
_LEAST_DIFFERENT = 8
_ONSET = 1e-3  # of the largest power

_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
# A key is what is heard at four times, so many steps apart.
_KEY_STEPS = (0, 4, 8, 12)
_MOST_SHIFT = 32  # steps; half a second
# Equal keys are compared with so many that follow: what is alike everywhere, as a hum is, must not
# cost the square of its number.
_FOLLOWERS = 6
# Sorted at a time.
_KEYS_A_PASS = 1 << 24


class Pair(NamedTuple):
    """Two prints of one sound: their numbers, and the share of bits in which they differ."""

    earlier: int
    later: int
    difference: float


def sound_print(samples: np.ndarray, rate: int) -> str:
    """Take the print of a sound.

    Args:
        samples: float32 (S, C), all of a short sound or the first minutes of a long one.
        rate: in Hz.

    Returns:
        A byte for each 16 ms of the first three seconds of sound, in base64; empty where there is
        too little to know it by: under half a second, a hum, or a rate below the bands.
    """
    if rate < 2 * _BAND_EDGES[-1]:
        return ""
    hop, window = HOP * rate, round(_WINDOW * rate)
    step = round(hop)
    mono = samples.mean(axis=1, dtype=np.float32)
    power = np.square(mono[: len(mono) // step * step].reshape(-1, step)).mean(axis=1)
    if not len(power) or not power.max() > 0:
        return ""
    onset = int(np.flatnonzero(power >= _ONSET * power.max())[0])
    first = max(0, onset - _LAG // 2) * step
    mono = mono[first : first + round((MOST_STEPS + _LAG - 1) * hop) + window]
    count = int((len(mono) - window) // hop) + 1
    if count < LEAST_STEPS + _LAG:
        return ""
    energy = np.log(_band_energies(mono, rate, count) + 1e-12)
    change = np.diff(energy[_LAG:] - energy[:-_LAG], axis=1)
    steps = np.packbits(change > 0, axis=1)[:, 0]
    if len(np.unique(steps)) < _LEAST_DIFFERENT:
        return ""
    return base64.b64encode(steps.tobytes()).decode("ascii")


def _band_energies(mono: np.ndarray, rate: int, count: int) -> np.ndarray:
    """Return the energy of each band, float (count, bands)."""
    window = round(_WINDOW * rate)
    starts = np.round(np.arange(count) * HOP * rate).astype(int)
    frames = mono[starts[:, None] + np.arange(window)] * np.hanning(window).astype(np.float32)
    size = 1 << (window - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(frames, size)) ** 2
    edges = np.searchsorted(np.fft.rfftfreq(size, 1 / rate), _BAND_EDGES)
    sums = np.concatenate([np.zeros((count, 1)), np.cumsum(spectrum, axis=1)], axis=1)
    bands: np.ndarray = sums[:, edges[1:]] - sums[:, edges[:-1]]
    return bands


def alike(prints: Sequence[str], durations: Sequence[Seconds]) -> list[Pair]:
    """Find prints of one sound.

    Args:
        prints: of different sounds.
        durations: how long each is; those that differ by half a second are other recordings.

    Returns:
        The pairs, each once, by the number of the later one.
    """
    decoded = [np.frombuffer(base64.b64decode(each), np.uint8) for each in prints]
    long_enough = [number for number, each in enumerate(decoded) if len(each) >= LEAST_STEPS]
    if len(long_enough) < 2:
        return []
    lengths = np.array(durations)
    best: dict[tuple[int, int], float] = {}
    for earlier, later, shift in _candidates(decoded, long_enough):
        if abs(lengths[earlier] - lengths[later]) > _MOST_SHIFT * HOP:
            continue
        difference, steps = _difference(decoded[earlier], decoded[later], shift)
        if difference <= _most_difference(steps):
            pair = (earlier, later)
            best[pair] = min(difference, best.get(pair, 1.0))
    found = [Pair(*pair, difference) for pair, difference in best.items()]
    return sorted(found, key=lambda pair: (pair.later, pair.earlier))


def _candidates(prints: Sequence[np.ndarray], numbers: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return pairs of prints with an equal key, and by how many steps the later one is ahead."""
    lengths = np.array([len(prints[number]) for number in numbers])
    flat = np.concatenate([prints[number] for number in numbers])
    owners = np.repeat(np.array(numbers), lengths)
    places = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    whole = places + _KEY_STEPS[-1] < np.repeat(lengths, lengths)
    starts = np.flatnonzero(whole)
    keys = np.zeros(len(starts), np.uint32)
    for step in _KEY_STEPS:
        keys = (keys << np.uint32(8)) | flat[starts + step]
    passes = 1 + len(keys) // _KEYS_A_PASS
    found: set[tuple[int, int, int]] = set()
    for number in range(passes):
        mine = np.flatnonzero(keys % passes == number)
        order = mine[np.argsort(keys[mine], kind="stable")]
        for ahead in range(1, _FOLLOWERS + 1):
            one, other = order[:-ahead], order[ahead:]
            shift = places[starts[other]] - places[starts[one]]
            owner, other_owner = owners[starts[one]], owners[starts[other]]
            good = (keys[one] == keys[other]) & (owner != other_owner)
            good &= np.abs(shift) <= _MOST_SHIFT
            triples = np.stack([owner, other_owner, shift], axis=1)[good]
            found.update(map(tuple, np.unique(triples, axis=0).tolist()))
    return sorted(found)


def _difference(one: np.ndarray, other: np.ndarray, shift: int) -> tuple[float, int]:
    """Compare two prints; return the share of bits that differ, and how many steps were compared.

    Args:
        one: uint8 (steps,).
        other: uint8 (other steps,).
        shift: step `t` of `one` is step `t + shift` of `other`.
    """
    one, other = one[max(0, -shift) :], other[max(0, shift) :]
    steps = min(len(one), len(other))
    return float(_ONES[one[:steps] ^ other[:steps]].sum()) / (8 * max(steps, 1)), steps


def _most_difference(steps: int) -> float:
    """Return how much prints of one sound may differ: 0.22 at 3 s, 0.13 at 0.8 s.

    What differs in half of its bits by chance differs in fewer where fewer are compared.
    """
    return 0.32 - 1.4 / float(np.sqrt(max(steps, 1)))
