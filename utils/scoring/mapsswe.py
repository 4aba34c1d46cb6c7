"""Matched pairs sentence segment word error test: a second opinion on a difference.

Gillick and Cox (ICASSP 1989), as NIST's sc_stats runs it: the reference is cut into segments
wherever both systems have at least two tokens right in a row, and the numbers of errors in each
segment are compared. It knows nothing of speakers: a small p here beside a large one from the
bootstrap over speakers means that the difference comes from a few of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import ndtr

from utils.scoring.edits import operation_places
from utils.scoring.score import Score
from utils.scoring.tokens import tokenizer_of

TOKENS_BETWEEN_SEGMENTS = 2
# The test takes a mean for normally distributed; with fewer segments that is a guess.
FEWEST_SEGMENTS = 30


@dataclass(frozen=True)
class Mapsswe:
    """What the test says."""

    segments: int
    """Segments in which at least one of the two systems is wrong."""
    p_value: float | None
    """Two-sided; None with fewer than 30 segments."""


def mapsswe(model: Score, baseline: Score) -> Mapsswe:
    """Run the test on two scores of the same utterances.

    Args:
        model: The score in question.
        baseline: The score it is held against, with its utterances in the same order.
    """
    tokenize = tokenizer_of(model.metric)
    differences: list[int] = []
    for place in np.flatnonzero(model.errors + baseline.errors):
        reference = tokenize(model.references[place])
        errors = [
            operation_places(reference, tokenize(score.hypotheses[place]))
            for score in (model, baseline)
        ]
        differences += segment_differences(*errors)
    return Mapsswe(len(differences), _p_value(np.array(differences, dtype=np.float64)))


def segment_differences(model: Sequence[int], baseline: Sequence[int]) -> Iterator[int]:
    """Cut an utterance into segments and compare the numbers of errors in each.

    Args:
        model: Places of one system's errors, as `operation_places` returns them.
        baseline: Those of the other's.

    Yields:
        Errors of the first minus errors of the second, for each segment with an error.

    Example:
        >>> list(segment_differences([1, 11], [1, 3]))
        [-1, 1]
    """
    events = sorted([(place, 1) for place in model] + [(place, -1) for place in baseline])
    if not events:
        return
    difference = events[0][1]
    for (before, _), (place, sign) in pairwise(events):
        right_between = place // 2 - (before + 1) // 2
        if right_between >= TOKENS_BETWEEN_SEGMENTS:
            yield difference
            difference = 0
        difference += sign
    yield difference


def _p_value(differences: np.ndarray) -> float | None:
    """Return the two-sided p value of float64 `(segments,)` differences having mean 0."""
    count = len(differences)
    if count < FEWEST_SEGMENTS:
        return None
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * ndtr(-abs(mean) / (deviation / math.sqrt(count))))
