"""Short clips joined into one example of up to 30 s, each with its place in time.

Whisper was trained on windows of 30 s with several sentences; clips of two seconds teach it
neither long answers nor timestamps after the first seconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from utils.audio.clip import Seconds, TimedSentence
from utils.audio.features import SAMPLE_RATE
from utils.audio.load import load_audio
from utils.manifest.joining import join_sentences
from utils.manifest.utterance import Utterance

PARTS = "joined_parts"
_TIMES = 2  # timestamp tokens that a clip has at least
_AT_ONCE = 1 << 16


def group_rows(
    kinds: np.ndarray,
    is_alone: np.ndarray,
    durations: np.ndarray,
    tokens: np.ndarray,
    limits: tuple[Seconds, int],
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are joined: clips of one kind, as many as fit.

    Args:
        kinds: int64 `(N,)`, of each row.
        is_alone: bool `(N,)`, rows that are joined with none.
        durations: float64 `(N,)`, seconds of each.
        tokens: int64 `(N,)`, label tokens of each.
        limits: most seconds and most label tokens of a group.
        seed: of the order in which clips are taken.

    Returns:
        The rows, group after group, int64 `(N,)`, and where each group begins, int64 `(groups,)`.
    """
    longest, most = limits
    drawn = np.random.default_rng([seed, 3]).permutation(len(kinds))
    order = drawn[np.argsort(kinds[drawn], kind="stable")]
    starts = array("q")
    last, seconds, size, closed = -1, 0.0, 0, True
    for first in range(0, len(order), _AT_ONCE):
        rows = order[first : first + _AT_ONCE]
        columns = (column[rows].tolist() for column in (kinds, is_alone, durations, tokens))
        for place, (kind, alone, length, many) in enumerate(zip(*columns, strict=True), first):
            cost = many + _TIMES
            if closed or alone or kind != last or seconds + length > longest or size + cost > most:
                starts.append(place)
                seconds, size = 0.0, 0
            # What was said before the first clip only fits if the first clip stays the first.
            last, seconds, size, closed = kind, seconds + length, size + cost, alone
    return order, np.array(starts, dtype=np.int64)


def joined_line(parts: Sequence[Utterance]) -> Utterance:
    """One utterance that stands for several, in a table; `parts_of` gives them back."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    return replace(
        first,
        sentence=join_sentences(part.sentence for part in parts if part.sentence),
        sentences=timed_sentences(parts),
        duration=sum(part.duration or 0.0 for part in parts),
        extra={**first.extra, PARTS: [part.to_json() for part in parts]},
    )


def parts_of(utterance: Utterance) -> list[Utterance]:
    """The utterances that one stands for: itself if it was not joined."""
    lines = utterance.extra.get(PARTS)
    if lines is None:
        return [utterance]
    return [Utterance.from_json(line, default_id=utterance.id) for line in lines]


def timed_sentences(parts: Sequence[Utterance]) -> tuple[TimedSentence, ...]:
    """The sentences of clips at their times after one another."""
    placed: list[TimedSentence] = []
    begin = 0.0
    for part in parts:
        seconds = part.duration or 0.0
        own = part.sentences
        if own is None:
            own = (TimedSentence(0.0, seconds, part.sentence),) if part.sentence else ()
        placed += [replace(s, start=s.start + begin, end=s.end + begin) for s in own]
        begin += seconds
    return tuple(placed)


def load_joined(utterance: Utterance, rng: np.random.Generator) -> tuple[np.ndarray, Utterance]:
    """Sound and text of a joined utterance, its clips in an order drawn from `rng`.

    Returns:
        Samples, float32 (num_samples,), and the utterance with `sentence` and `sentences` in the
        order of the sound. An utterance that was not joined comes back as it is.

    Raises:
        UserError: if a clip cannot be read.
    """
    parts = parts_of(utterance)
    if len(parts) == 1:
        return load_audio(utterance.audio), utterance
    ordered = [parts[place] for place in rng.permutation(len(parts))]
    pieces = [load_audio(part.audio) for part in ordered]
    measured = [
        replace(part, duration=len(piece) / SAMPLE_RATE)
        for part, piece in zip(ordered, pieces, strict=True)
    ]
    whole = joined_line(measured)
    return np.concatenate(pieces), replace(whole, id=utterance.id)
