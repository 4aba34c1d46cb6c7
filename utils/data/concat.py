"""Short clips joined into one example of up to 30 s, each with its place in time.

Whisper was trained on windows of 30 s with several sentences; clips of two seconds teach it
neither long answers nor timestamps after the first seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from utils.audio.clip import Seconds, TimedSentence
from utils.audio.features import SAMPLE_RATE
from utils.audio.load import load_audio
from utils.manifest.joining import join_sentences
from utils.manifest.utterance import Utterance

PARTS = "joined_parts"
_TIMES = 2  # timestamp tokens that a clip has at least


def group_rows(
    utterances: Sequence[Utterance],
    durations: Sequence[Seconds] | np.ndarray,
    tokens: Sequence[int] | np.ndarray,
    limits: tuple[Seconds, int],
    seed: int,
) -> list[list[int]]:
    """Which rows are joined: clips of one speaker, source, language and task.

    Args:
        utterances: the rows.
        durations: seconds of each.
        tokens: label tokens of each.
        limits: most seconds and most label tokens of a group.
        seed: of the order in which clips are taken.

    Returns:
        Groups of row numbers; every row is in exactly one.
    """
    longest, most = limits
    alike: dict[Any, list[int]] = defaultdict(list)
    for row in np.random.default_rng([seed, 3]).permutation(len(utterances)).tolist():
        u = utterances[row]
        alike[u.speaker, u.source, u.language, u.task].append(row)
    groups: list[list[int]] = []
    for rows in alike.values():
        seconds, size, group = 0.0, 0, list[int]()
        for row in rows:
            cost = tokens[row] + _TIMES
            # What was said before the first clip only fits if the first clip stays the first.
            is_alone = utterances[row].prompt is not None
            if group and (is_alone or seconds + durations[row] > longest or size + cost > most):
                groups.append(group)
                seconds, size, group = 0.0, 0, []
            group.append(row)
            seconds, size = seconds + durations[row], size + cost
            if is_alone:
                groups.append(group)
                seconds, size, group = 0.0, 0, []
        groups += [group] if group else []
    return groups


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
