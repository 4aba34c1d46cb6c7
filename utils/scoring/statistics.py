"""How sure a score is: intervals and differences from a paired blockwise bootstrap.

Whole blocks (blocks.py) are drawn with replacement. A rate needs only each block's sums of errors
and tokens; drawing n blocks is drawing how often each occurs, one multinomial vector. Blocks with
equal sums are interchangeable and drawn together, which makes a million utterances as cheap as a
few thousand.

With few blocks the plain percentiles of a bootstrap are too close together. They are widened as
Hesterberg does (The American Statistician 69, 2015, "expanded percentiles"): by sqrt(n / (n - 1))
and Student's t instead of the normal distribution. The p value is read off the same percentiles:
it is the level at which the interval would just touch 0, so that the two never disagree.

B different blocks, R resamplings, C columns of sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from utils.scoring.blocks import block_sums, block_unit, pool
from utils.scoring.mapsswe import Mapsswe, mapsswe
from utils.scoring.metrics import METRICS
from utils.scoring.score import Score

RESAMPLINGS = 10_000
FEWEST_RESAMPLINGS = 1_000
CONFIDENCE = 0.95
POWER = 0.8
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
    """What was drawn: "speaker", "recording" or "utterance"."""
    smallest_difference: float | None = None
    """A true difference of this size would be found (p < 0.05) in 4 of 5 such test sets."""
    mapsswe: Mapsswe | None = None
    """A second opinion, where the metric has tokens to align."""


@dataclass(frozen=True)
class _Draws:
    """Rates of resampled test sets."""

    rates: FloatArray
    """float64 `(R, number of scores)`."""
    blocks: int

    @property
    def _stretch(self) -> float:
        """How much the spread between n drawn blocks is below that between n real ones."""
        return math.sqrt(self.blocks / (self.blocks - 1))

    def interval(self, values: FloatArray) -> Interval:
        """Return the 95 % interval of float64 `(R,)`."""
        t = float(stdtrit(self.blocks - 1, (1 + CONFIDENCE) / 2))
        tail = 100 * float(ndtr(-self._stretch * t))
        low, high = np.percentile(values, [tail, 100 - tail])
        return float(low), float(high)

    def p_value(self, differences: FloatArray) -> float:
        """Return the level at which the interval of float64 `(R,)` touches 0, never quite 0."""
        count = len(differences)
        beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
        tail = (beyond + 1) / (count + 1)
        if tail >= 0.5:
            return 1.0
        return float(2 * stdtr(self.blocks - 1, ndtri(tail) / self._stretch))

    def smallest_difference(self, differences: FloatArray) -> float:
        """Return the difference that a set like this shows at 5 % with a power of 80 %."""
        error = float(differences.std()) * self._stretch
        found, sure = stdtrit(self.blocks - 1, [(1 + CONFIDENCE) / 2, POWER])
        return error * float(found + sure)


def rate_interval(score: Score, *, seed: int = 0) -> Interval | None:
    """Return the 95 % interval of a score's rate.

    Args:
        score: Of any number of utterances.
        seed: The same seed gives the same interval.

    Returns:
        (low, high), or None where there is no rate or fewer than two blocks to draw from.
    """
    draws = _resample([score], seed)
    return None if draws is None else draws.interval(draws.rates[:, 0])


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
    changes = model.errors - baseline.errors
    known = model.rate is not None and baseline.rate is not None
    comparison = Comparison(
        difference=(model.rate or 0.0) - (baseline.rate or 0.0) if known else None,
        interval=None,
        p_value=None,
        wins=int((changes < 0).sum()),
        losses=int((changes > 0).sum()),
        ties=int((changes == 0).sum()),
        blocks=block_unit(model),
        mapsswe=mapsswe(model, baseline) if model.metric in METRICS else None,
    )
    draws = _resample([model, baseline], seed)
    if draws is None:
        return comparison
    differences = draws.rates[:, 0] - draws.rates[:, 1]
    return replace(
        comparison,
        interval=draws.interval(differences),
        p_value=draws.p_value(differences),
        smallest_difference=draws.smallest_difference(differences),
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p values for being several (Holm, Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: One for each comparison of a report; None where there is none.

    Returns:
        As many, in the same order: below 0.05 all together err in at most 5 % of reports.

    Example:
        >>> holm([0.01, None, 0.04, 0.03])
        [0.03, None, 0.06, 0.06]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected


def _expect_pairs(model: Score, baseline: Score) -> None:
    if model.metric != baseline.metric:
        raise ValueError(f"cannot compare {model.metric} with {baseline.metric}")
    ids, other_ids = ([each.id for each in score.predictions] for score in (model, baseline))
    if ids != other_ids:
        alone = sorted(set(ids) ^ set(other_ids))[:3]
        raise ValueError(
            f"{len(ids)} and {len(other_ids)} utterances are not the same ones, or not in the "
            f"same order; only on one side: {', '.join(alone) or 'none'}"
        )
    for place in np.flatnonzero(model.tokens != baseline.tokens)[:1]:
        raise ValueError(
            f"{ids[place]} has {model.tokens[place]} reference tokens on one side "
            f"and {baseline.tokens[place]} on the other"
        )


def _resample(scores: Sequence[Score], seed: int) -> _Draws | None:
    """Draw blocks again and again, the same ones for every score.

    Returns:
        The rates; resamplings without a reference token are left out. None with fewer than two
        blocks, or without any reference token.
    """
    # (blocks, C): errors of each score, then reference tokens.
    sums = block_sums(scores[0], [*(score.errors for score in scores), scores[0].tokens])
    if len(sums) < 2 or not sums[:, -1].any():
        return None
    # In sorted order, so that the order of the utterances has no say in the draws.
    different, copies = pool(sums)
    totals = _draw(different.astype(np.float64), copies, seed)
    totals = totals[totals[:, -1] > 0]
    return _Draws(totals[:, :-1] / totals[:, -1:], len(sums))


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
