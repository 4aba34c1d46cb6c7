"""How sure a score is: intervals and differences from a blockwise bootstrap.

Utterances of one speaker are not independent, so whole speakers are drawn with replacement where
five or more are known (Liu & Peng, arXiv 1912.09508), single utterances otherwise. A rate needs
only each block's sums of errors and tokens; drawing n blocks is drawing how often each occurs, one
multinomial vector. Blocks with equal sums are interchangeable and drawn together, which makes a
million utterances as cheap as a few thousand.

B different blocks, R resamplings, C columns of sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from utils.scoring.score import Score, UtteranceScore

RESAMPLINGS = 10_000
FEWEST_RESAMPLINGS = 1_000
CONFIDENCE = 0.95
# Drawing from two or three speakers can only give a handful of different results: the interval
# would be far too narrow. Below this many, utterances are drawn.
FEWEST_SPEAKERS = 5
# About two seconds of drawing; with more different blocks fewer resamplings serve as well.
MOST_DRAWS = 60_000_000
DRAWS_AT_ONCE = 2_000_000

Interval = tuple[float, float]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """What a model changes against a baseline on the same utterances; below 0 is better."""

    difference: float | None
    """Rate of the model minus rate of the baseline."""
    interval: Interval | None
    """95 % interval of the difference; None with fewer than two blocks."""
    p_value: float | None
    """How often chance alone would show such a difference, in either direction."""
    wins: int
    """Utterances with fewer errors than the baseline's."""
    losses: int
    ties: int
    blocks: str
    """What was drawn: "speaker" or "utterance"."""


def block_unit(utterances: Sequence[UtteranceScore]) -> str:
    """Return "speaker" where every speaker is known and there are enough, else "utterance"."""
    speakers = {utterance.speaker for utterance in utterances}
    enough = len(speakers) >= FEWEST_SPEAKERS and None not in speakers
    return "speaker" if enough else "utterance"


def rate_interval(score: Score, *, seed: int = 0) -> Interval | None:
    """Return the 95 % interval of a score's rate.

    Args:
        score: Of any number of utterances.
        seed: The same seed gives the same interval.

    Returns:
        (low, high), or None where there is no rate or fewer than two blocks to draw from.
    """
    rates = _resampled_rates([score], seed)
    return None if rates is None else _interval(rates[:, 0])


def compare(model: Score, baseline: Score, *, seed: int = 0) -> Comparison:
    """Compare two models on the same utterances.

    Args:
        model: The score in question.
        baseline: The score it is held against; same metric, same utterances in the same order.
        seed: The same seed gives the same answer.

    Raises:
        ValueError: The two scores are not of the same utterances, metric or references.
    """
    _expect_pairs(model, baseline)
    changes = [
        one.counts.errors - other.counts.errors
        for one, other in zip(model.utterances, baseline.utterances, strict=True)
    ]
    rates = _resampled_rates([model, baseline], seed)
    differences = None if rates is None else rates[:, 0] - rates[:, 1]
    known = model.rate is not None and baseline.rate is not None
    return Comparison(
        difference=(model.rate or 0.0) - (baseline.rate or 0.0) if known else None,
        interval=None if differences is None else _interval(differences),
        p_value=None if differences is None else _two_sided_p(differences),
        wins=sum(change < 0 for change in changes),
        losses=sum(change > 0 for change in changes),
        ties=sum(change == 0 for change in changes),
        blocks=block_unit(model.utterances),
    )


def _expect_pairs(model: Score, baseline: Score) -> None:
    if model.metric != baseline.metric:
        raise ValueError(f"cannot compare {model.metric} with {baseline.metric}")
    ids, other_ids = ([u.id for u in score.utterances] for score in (model, baseline))
    if ids != other_ids:
        alone = sorted(set(ids) ^ set(other_ids))[:3]
        raise ValueError(
            f"{len(ids)} and {len(other_ids)} utterances are not the same ones, or not in the "
            f"same order; only on one side: {', '.join(alone) or 'none'}"
        )
    for one, other in zip(model.utterances, baseline.utterances, strict=True):
        if one.counts.reference_tokens != other.counts.reference_tokens:
            raise ValueError(
                f"{one.id} has {one.counts.reference_tokens} reference tokens on one side "
                f"and {other.counts.reference_tokens} on the other"
            )


def _resampled_rates(scores: Sequence[Score], seed: int) -> FloatArray | None:
    """Draw blocks again and again, the same ones for every score.

    Returns:
        float64 `(R, number of scores)`, the rates; resamplings without a reference token are
        left out. None with fewer than two blocks, or without any reference token.
    """
    sums = _block_sums(scores)  # (blocks, C): errors of each score, then tokens
    if len(sums) < 2 or not sums[:, -1].any():
        return None
    # Sorted by np.unique, so that the order of the utterances has no say in the draws.
    different, copies = np.unique(sums, axis=0, return_counts=True)
    totals = _draw(different.astype(np.float64), copies, seed)
    totals = totals[totals[:, -1] > 0]
    return totals[:, :-1] / totals[:, -1:]


def _block_sums(scores: Sequence[Score]) -> NDArray[np.int64]:
    """Return int64 `(blocks, number of scores + 1)`: errors per score, and reference tokens."""
    first = scores[0].utterances
    columns = [[u.counts.errors for u in score.utterances] for score in scores]
    columns.append([u.counts.reference_tokens for u in first])
    sums = np.array(columns, dtype=np.int64).T.reshape(len(first), len(columns))
    if block_unit(first) == "utterance":
        return sums
    _, block_of = np.unique([str(u.speaker) for u in first], return_inverse=True)
    by_speaker = np.zeros((block_of.max() + 1, sums.shape[1]), dtype=np.int64)
    np.add.at(by_speaker, block_of, sums)
    return by_speaker


def _draw(different: FloatArray, copies: NDArray[np.int64], seed: int) -> FloatArray:
    """Sum the columns over each resampling.

    Args:
        different: float64 `(B, C)`, the sums of each different block.
        copies: int64 `(B,)`, how many blocks have these sums.
        seed: Of the random numbers.

    Returns:
        float64 `(R, C)`.
    """
    blocks = int(copies.sum())
    chances = copies / blocks
    resamplings = int(np.clip(MOST_DRAWS // len(copies), FEWEST_RESAMPLINGS, RESAMPLINGS))
    at_once = max(DRAWS_AT_ONCE // len(copies), 1)
    generator = np.random.default_rng(seed)
    parts = []
    for begin in range(0, resamplings, at_once):
        rows = min(at_once, resamplings - begin)
        parts.append(generator.multinomial(blocks, chances, size=rows) @ different)
    return np.concatenate(parts)


def _interval(values: FloatArray) -> Interval:
    """Return the central 95 % of float64 `(R,)`."""
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def _two_sided_p(differences: FloatArray) -> float:
    """Return the two-sided p value of float64 `(R,)` resampled differences, never quite 0."""
    count = len(differences)
    smaller = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (count + 1))
