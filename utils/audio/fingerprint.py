"""A fingerprint of how a sound begins, by which the same recording is known after re-encoding.

The signs of how energy changes over bands and time survive another codec, gain or sampling rate;
what is compared begins where the sound does, so that a little silence more or less does not matter.
After J. Haitsma and T. Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002, with
wider bands and a longer step in time, which hold better on speech.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from utils.audio.clip import Seconds

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

FINGERPRINT = np.dtype([("steps", "u1"), ("signs", "u1", (MOST_STEPS,))])
"""A fingerprint as it is kept: how many steps it has, and a byte for each; zeros follow."""

_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
# A key is what is heard at four times, so many steps apart.
_KEY_STEPS = (0, 4, 8, 12)
_MOST_SHIFT = 32  # steps; half a second
# Equal keys are compared with so many that follow: what is alike everywhere, as a hum is, must not
# cost the square of its number.
_FOLLOWERS = 6
# Sorted at a time, 30 bytes each.
_KEYS_A_PASS = 1 << 24
# Compared at a time.
_KEYS_A_BLOCK = 1 << 18
_PAIRS_A_BLOCK = 1 << 12
_FINGERPRINTS_A_BLOCK = 1 << 14


class Pairs(NamedTuple):
    """Prints of one sound.

    Attributes:
        earlier: the number of the first that is alike, int64 (P,).
        later: its own number, int64 (P,), rising: no fingerprint is there twice.
        difference: the share of bits in which they differ, float (P,).
    """

    earlier: np.ndarray
    later: np.ndarray
    difference: np.ndarray


def table_of(fingerprints: Sequence[bytes]) -> np.ndarray:
    """Return what `audio_fingerprint` gave for some sounds as `FINGERPRINT` (N,)."""
    table = np.zeros(len(fingerprints), FINGERPRINT)
    for kept, taken in zip(table, fingerprints, strict=True):
        kept["steps"] = len(taken)
        kept["signs"][: len(taken)] = np.frombuffer(taken, np.uint8)
    return table


def bytes_of(kept: np.void) -> bytes:
    """Return what `audio_fingerprint` gave for a `FINGERPRINT`."""
    signs: bytes = kept["signs"][: kept["steps"]].tobytes()
    return signs


def audio_fingerprint(samples: np.ndarray, rate: int) -> bytes:
    """Take the fingerprint of a sound.

    Args:
        samples: float32 (S, C), all of a short sound or the first minutes of a long one.
        rate: in Hz.

    Returns:
        A byte for each 16 ms of the first three seconds of sound, `MOST_STEPS` at most; none where
        there is too little to know it by: under half a second, a hum, or a rate below the bands.
    """
    if rate < 2 * _BAND_EDGES[-1]:
        return b""
    hop, window = HOP * rate, round(_WINDOW * rate)
    step = round(hop)
    mono = samples.mean(axis=1, dtype=np.float32)
    power = np.square(mono[: len(mono) // step * step].reshape(-1, step)).mean(axis=1)
    if not len(power) or not power.max() > 0:
        return b""
    onset = int(np.flatnonzero(power >= _ONSET * power.max())[0])
    first = max(0, onset - _LAG // 2) * step
    mono = mono[first : first + round((MOST_STEPS + _LAG - 1) * hop) + window]
    count = int((len(mono) - window) // hop) + 1
    if count < LEAST_STEPS + _LAG:
        return b""
    energy = np.log(_band_energies(mono, rate, count) + 1e-12)
    change = np.diff(energy[_LAG:] - energy[:-_LAG], axis=1)
    steps = np.packbits(change > 0, axis=1)[:, 0]
    return steps.tobytes() if len(np.unique(steps)) >= _LEAST_DIFFERENT else b""


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


def alike(
    fingerprints: np.ndarray,
    durations: np.ndarray,
    numbers: np.ndarray | None = None,
    kinds: np.ndarray | None = None,
) -> Pairs:
    """Find fingerprints of one sound.

    Memory: 40 bytes for each fingerprint that is compared, and about half a gigabyte for a pass
    over a part of the keys. The fingerprints themselves are read a few thousand at a time. A
    hundred thousand different sounds take a pass or two, ten million about a hundred.

    Args:
        fingerprints: `FINGERPRINT` (N,), perhaps mapped from a file.
        durations: how long each is in s, float (N,); those that differ by half a second are other
            recordings.
        numbers: which of them are compared, int64 (n,), rising; None for all. They must be of
            different sounds.
        kinds: int (N,); only sounds of one kind are compared, such as those of one text. None: all.

    Returns:
        For each fingerprint that is like an earlier one the first of those.
    """
    if numbers is None:
        numbers = np.arange(len(fingerprints))
    seconds = np.asarray(durations[numbers], np.float64)
    kind = np.zeros(len(numbers), np.int64) if kinds is None else np.asarray(kinds[numbers])
    compared = _Compared(fingerprints, numbers, seconds, kind)
    first = np.full(len(numbers), -1, np.int64)
    difference = np.ones(len(numbers))
    for triples in _candidates(compared):
        for start in range(0, len(triples), _PAIRS_A_BLOCK):
            earlier, later, shift = triples[start : start + _PAIRS_A_BLOCK].T
            both = compared.fingerprints(earlier), compared.fingerprints(later)
            differs, steps = _differences(*both, shift)
            good = np.flatnonzero(differs <= _most_difference(steps))
            for one, other, amount in zip(
                earlier[good].tolist(), later[good].tolist(), differs[good].tolist(), strict=True
            ):
                known = first[other], difference[other]
                if known[0] < 0 or (one, amount) < known:
                    first[other], difference[other] = one, amount
    found = np.flatnonzero(first >= 0)
    return Pairs(numbers[first[found]], numbers[found], difference[found])


@dataclass(frozen=True)
class _Compared:
    """The fingerprints that are compared, counted from 0."""

    of_all: np.ndarray
    numbers: np.ndarray
    durations: np.ndarray
    kinds: np.ndarray

    def fingerprints(self, which: np.ndarray | slice) -> np.ndarray:
        """Return some fingerprints, read from where they are kept."""
        some: np.ndarray = self.of_all[self.numbers[which]]
        return some

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield all of them, a few thousand at a time, with the number of the first."""
        for start in range(0, len(self.numbers), _FINGERPRINTS_A_BLOCK):
            yield start, self.fingerprints(slice(start, start + _FINGERPRINTS_A_BLOCK))


def _candidates(compared: _Compared) -> Iterator[np.ndarray]:
    """Yield (earlier, later, shift) of fingerprints with an equal key, int64 (n, 3).

    The later fingerprint is `shift` steps ahead; what comes twice within an array is there once.
    """
    passes = 1 + sum(int(_is_key(block).sum()) for _, block in compared.blocks()) // _KEYS_A_PASS
    for number in range(passes):
        keys, owners, places = _keys(compared, number, passes)
        order = np.argsort(keys, kind="stable")
        for start in range(0, len(order), _KEYS_A_BLOCK):
            mine = order[start : start + _KEYS_A_BLOCK + _FOLLOWERS]
            its = owners[mine].astype(np.int64)
            found = _equal(keys[mine], its, places[mine], compared)
            if len(found):
                yield found


def _equal(
    keys: np.ndarray, owners: np.ndarray, places: np.ndarray, compared: _Compared
) -> np.ndarray:
    """Return the triples of `_candidates` among some keys in their order, (n,) each."""
    durations, kinds = compared.durations, compared.kinds
    found = []
    for ahead in range(1, min(_FOLLOWERS, len(keys) - 1) + 1):
        one, other = owners[:-ahead], owners[ahead:]
        shift = places[ahead:].astype(np.int64) - places[:-ahead]
        good = (keys[:-ahead] == keys[ahead:]) & (one != other) & (np.abs(shift) <= _MOST_SHIFT)
        good &= np.abs(durations[one] - durations[other]) <= _MOST_SHIFT * HOP
        good &= kinds[one] == kinds[other]
        # One number for the three, which sorts faster than three.
        pairs = one[good] * len(durations) + other[good]
        found.append(pairs * (2 * _MOST_SHIFT + 1) + shift[good] + _MOST_SHIFT)
    if not found:
        return np.empty((0, 3), np.int64)
    pairs, shift = np.divmod(np.unique(np.concatenate(found)), 2 * _MOST_SHIFT + 1)
    earlier, later = np.divmod(pairs, len(durations))
    return np.stack([earlier, later, shift - _MOST_SHIFT], axis=1)


def _is_key(fingerprints: np.ndarray) -> np.ndarray:
    """Return which steps a key can begin at, bool (N, steps)."""
    steps = np.where(fingerprints["steps"] < LEAST_STEPS, 0, fingerprints["steps"])
    is_key: np.ndarray = np.arange(_KEY_STEPS[-1], MOST_STEPS) < steps[:, None]
    return is_key


def _keys(
    compared: _Compared, number: int, passes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the keys of a pass, uint32; whose each is, uint32; where it begins there, uint8."""
    keys, owners = [np.empty(0, np.uint32)], [np.empty(0, np.uint32)]
    places = [np.empty(0, np.uint8)]
    for start, block in compared.blocks():
        signs = block["signs"].astype(np.uint32)
        key = np.zeros((len(block), MOST_STEPS - _KEY_STEPS[-1]), np.uint32)
        for step in _KEY_STEPS:
            key = (key << np.uint32(8)) | signs[:, step : step + key.shape[1]]
        mine = _is_key(block) & (key % np.uint32(passes) == number)
        owner, place = np.nonzero(mine)
        keys.append(key[mine])
        owners.append((owner + start).astype(np.uint32))
        places.append(place.astype(np.uint8))
    return np.concatenate(keys), np.concatenate(owners), np.concatenate(places)


def _differences(
    one: np.ndarray, other: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare fingerprints; return the share of bits that differ, and how many steps were compared.

    Args:
        one: `FINGERPRINT` (n,).
        other: `FINGERPRINT` (n,).
        shift: int (n,); step `t` of `one` is step `t + shift` of `other`.
    """
    begin, other_begin = np.maximum(0, -shift), np.maximum(0, shift)
    steps = np.minimum(one["steps"] - begin, other["steps"] - other_begin)
    step = np.arange(MOST_STEPS)

    def moved(fingerprints: np.ndarray, begin: np.ndarray) -> np.ndarray:
        places = np.minimum(step + begin[:, None], MOST_STEPS - 1)
        signs: np.ndarray = np.take_along_axis(fingerprints["signs"], places, axis=1)
        return signs

    bits = _ONES[moved(one, begin) ^ moved(other, other_begin)] * (step < steps[:, None])
    return bits.sum(axis=1) / (8 * np.maximum(steps, 1)), steps


def _most_difference(steps: np.ndarray) -> np.ndarray:
    """Return how much fingerprints of one sound may differ: 0.22 at 3 s, 0.13 at 0.8 s.

    What differs in half of its bits by chance differs in fewer where fewer are compared.
    """
    most: np.ndarray = 0.32 - 1.4 / np.sqrt(np.maximum(steps, 1))
    return most
