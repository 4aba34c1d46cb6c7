"""How sure a score is: intervals and differences from a paired blockwise bootstrap.

Whole blocks (blocks.py) are drawn with replacement. A rate needs only each block's sums of errors
and tokens; drawing n blocks is drawing how often each occurs, one multinomial vector. Blocks with
equal sums are interchangeable and drawn together, which makes a million utterances as cheap as a
few thousand.

With few blocks the plain percentiles of a bootstrap are too close together. They are widened as
Hesterberg does (The American Statistician 69, 2015, "expanded percentiles"): by sqrt(n / (n - 1))
and Student's t instead of the normal distribution. And no interval is narrower than the bounds of
bounds.py, which have a width where all blocks agree and reach further where errors are rare. The
p value is read off the same two: it is the level at which the interval would just touch 0, so that
it never disagrees with the interval.

B different blocks, R resamplings, C columns of sums.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from utils.scoring.blocks import block_sums, block_unit, pool
from utils.scoring.bounds import Moments, moments
from utils.scoring.conventions.conventions import chooses_references
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

# The lower end of an interval that is open at 0: every rate above 0 is above it.
ABOVE_ZERO = sys.float_info.min

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
    identical: bool = False
    """Whether both models give the same text for every utterance, to the letter."""


@dataclass(frozen=True)
class Difference:
    """How sure the difference of two rates is; nothing with fewer than two blocks."""

    interval: Interval | None = None
    p_value: float | None = None
    smallest: float | None = None
    """What `Comparison.smallest_difference` says."""


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
        tail = _share_below_zero(np.sort(differences if differences.mean() > 0 else -differences))
        if tail >= 0.5:
            return 1.0
        return float(2 * stdtr(self.blocks - 1, ndtri(tail) / self._stretch))

    def smallest_difference(self, differences: FloatArray, bound: Moments) -> float:
        """Return the difference that a set like this shows at 5 % with a power of 80 %."""
        drawn = float(differences.std()) * self._stretch
        known = math.sqrt(bound.variance + max(bound.up, bound.down) ** 2)
        errors = ((drawn, self.blocks - 1.0), (known, bound.freedom))
        return max(
            error * float(np.sum(stdtrit(freedom, [(1 + CONFIDENCE) / 2, POWER])))
            for error, freedom in errors
        )


def rate_interval(score: Score, *, seed: int = 0) -> Interval | None:
    """Return the 95 % interval of a score's rate.

    Args:
        score: Of any number of utterances.
        seed: The same seed gives the same interval.

    Returns:
        (low, high), or None where there is no rate or fewer than two blocks to draw from. The
        lower end is `ABOVE_ZERO` where it would be 0 beside an error: the rate is above 0.
    """
    return interval_of_sums(_sums([score]), seed=seed)


def interval_of_sums(
    sums: NDArray[np.int64],
    *,
    seed: int = 0,
    resamplings: int = RESAMPLINGS,
) -> Interval | None:
    """Return the 95 % interval of a rate from the sums of independent blocks.

    Args:
        sums: int64 `(blocks, 2)`: errors and reference tokens of each.
        seed: The same seed gives the same interval.
        resamplings: How many at most.
    """
    if not _enough(sums):
        return None
    draws = _resample(sums, seed, resamplings)
    bound = moments(sums[:, 0], sums[:, 1], paired=False)
    low, high = _wider(draws.interval(draws.rates[:, 0]), bound)
    # One error is proof of a rate above 0, however wide the interval: its lower end is then open.
    return max(low, ABOVE_ZERO if sums[:, 0].any() else 0.0), min(high, _highest(sums))


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
        identical=all(
            one.hypothesis == other.hypothesis
            for one, other in zip(model.predictions, baseline.predictions, strict=True)
        ),
    )
    found = difference_of_sums(_sums([model, baseline]), seed=seed)
    return replace(
        comparison,
        interval=found.interval,
        p_value=found.p_value,
        smallest_difference=found.smallest,
    )


def difference_of_sums(
    sums: NDArray[np.int64],
    *,
    seed: int = 0,
    resamplings: int = RESAMPLINGS,
) -> Difference:
    """Return how sure the difference of two rates is, from the sums of independent blocks.

    Args:
        sums: int64 `(blocks, 3)`: errors of the model and of the baseline, and reference tokens.
        seed: The same seed gives the same interval.
        resamplings: How many at most.
    """
    if not _enough(sums):
        return Difference()
    draws = _resample(sums, seed, resamplings)
    differences = draws.rates[:, 0] - draws.rates[:, 1]
    bound = moments(sums[:, 0] - sums[:, 1], sums[:, 2], paired=True)
    low, high = _wider(draws.interval(differences), bound)
    most = _highest(sums)
    return Difference(
        (max(low, -most), min(high, most)),
        max(draws.p_value(differences), bound.p_value()),
        draws.smallest_difference(differences, bound),
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
    if chooses_references(model.normalizer):
        return  # each has the alternatives that it comes closest to
    for place in np.flatnonzero(model.tokens != baseline.tokens)[:1]:
        raise ValueError(
            f"{ids[place]} has {model.tokens[place]} reference tokens on one side "
            f"and {baseline.tokens[place]} on the other"
        )


def _sums(scores: Sequence[Score]) -> NDArray[np.int64]:
    """Return int64 `(blocks, C)`: errors of each score, then reference tokens."""
    return block_sums(scores[0], [*(score.errors for score in scores), scores[0].tokens])


def _enough(sums: NDArray[np.int64]) -> bool:
    """Tell whether blocks differ at all: two with reference tokens, which the last column has."""
    return int((sums[:, -1] > 0).sum()) > 1


def _highest(sums: NDArray[np.int64]) -> float:
    """Return what no rate is taken to exceed: 1, or the worst block's where it has more."""
    spoken = sums[sums[:, -1] > 0]
    worst = float((spoken[:, :-1] / spoken[:, -1:]).max())
    # Tokens hallucinated in silence may come in any number.
    silent = sums[sums[:, -1] == 0, :-1].any()
    return math.inf if silent else max(worst, 1.0)


def _wider(interval: Interval, bound: Moments) -> Interval:
    """Return an interval that is nowhere narrower than the bounds."""
    low, high = interval
    return min(low, bound.bound(CONFIDENCE, -1)), max(high, bound.bound(CONFIDENCE, 1))


def _share_below_zero(values: FloatArray) -> float:
    """Return the share of values at which their percentile is 0, as `np.percentile` interpolates.

    Args:
        values: float64 `(R,)`, ascending, most of them above 0.
    """
    last = int(np.searchsorted(values, 0.0, side="right")) - 1
    if last < 0:
        return 1 / (len(values) + 1)
    if last == len(values) - 1:
        return 1.0
    below, above = values[last : last + 2]
    return float((last - below / (above - below)) / (len(values) - 1)) or 1 / (len(values) + 1)


def _resample(sums: NDArray[np.int64], seed: int, resamplings: int = RESAMPLINGS) -> _Draws:
    """Draw blocks again and again, the same ones for every score.

    Args:
        sums: int64 `(blocks, C)`: errors of each score, then reference tokens; two blocks or more.
        seed: Of the random numbers.
        resamplings: How many at most.

    Returns:
        The rates; resamplings without a reference token are left out.
    """
    # In sorted order, so that the order of the utterances has no say in the draws.
    different, copies = pool(sums)
    totals = _draw(different.astype(np.float64), copies, seed, resamplings)
    totals = totals[totals[:, -1] > 0]
    return _Draws(totals[:, :-1] / totals[:, -1:], len(sums))


def _draw(different: FloatArray, copies: NDArray[np.int64], seed: int, most: int) -> FloatArray:
    """Sum the columns over each resampling.

    Args:
        different: float64 `(B, C)`, the sums of each different block.
        copies: int64 `(B,)`, how many blocks have these sums.
        seed: Of the random numbers.
        most: Resamplings at most.

    Returns:
        float64 `(R, C)`.
    """
    blocks = int(copies.sum())
    chances = copies / blocks
    resamplings = int(np.clip(MOST_DRAWS // len(copies), min(FEWEST_RESAMPLINGS, most), most))
    at_once = max(DRAWS_AT_ONCE // len(copies), 1)
    generator = np.random.default_rng(seed)
    parts = []
    for begin in range(0, resamplings, at_once):
        rows = min(at_once, resamplings - begin)
        parts.append(generator.multinomial(blocks, chances, size=rows) @ different)
    return np.concatenate(parts)
