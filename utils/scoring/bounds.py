"""Bounds of a rate or difference over blocks, which have a width where a bootstrap has none.

A resampling of blocks that all agree agrees with itself: its interval is a point, however few they
are. It is also too narrow where errors are rare, because it knows no block worse than those it
has seen. These bounds are computed instead, from four moments over the blocks:

- The value is a ratio; its variance is that of the residuals `e_i - r t_i`, each divided by
  `1 - h_i` for the share h_i of all tokens that its block has (the jackknife, or HC3: MacKinnon
  and White, Journal of Econometrics 29, 1985). It is never less than that of independent tokens.
- To each side one more block is thought of, as bad as the worst that was seen, the less of it
  the more blocks speak; a block wrong from end to end where none was seen to differ. With Poisson
  counts that is the bound of Fay and Feuer (Statistics in Medicine 16, 1997), and with no error at
  all the rule of three: -ln(0.025) blocks of n.
- Skewness is met by a gamma distribution with twice the skewness of the total, which inverts the
  first term of its Edgeworth expansion (Hall, Journal of the Royal Statistical Society B 54, 1992).
- Student's t stands for the normal distribution, with as many degrees of freedom as the blocks'
  sizes and residuals leave (Satterthwaite, Biometrics Bulletin 2, 1946).

benchmarks/coverage.py counts how often such intervals hold the true rate. n blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import (
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    ndtr,
    ndtri,
    stdtr,
    stdtrit,
)

FloatArray = NDArray[np.float64]

# The block that is thought of weighs at most twice the worst, as much as it where three like it
# were seen, and less by the square of their number; found by simulation.
MOST_UNSEEN = 2.0
UNSEEN = 3.0
# Residuals of which one outweighs all others leave this much freedom; fewer blocks leave less.
FEWEST_FREEDOM = 2.0
# Below this skewness the gamma distribution is the normal one to six digits.
NO_SKEW = 1e-4
# A share above which a block is all of the test set, and its residual says nothing.
ALL = 0.999


@dataclass(frozen=True)
class Moments:
    """What the bounds of a rate or a difference are computed from."""

    value: float
    """The rate, or the difference of two."""
    variance: float
    third: float
    """Sum of the third powers of the residuals."""
    up: float
    """What one more block may add."""
    down: float
    """What one more block may take away."""
    freedom: float
    """Degrees of freedom of the variance."""

    def bound(self, confidence: float, side: int) -> float:
        """Return an end of the two-sided interval.

        Args:
            confidence: Such as 0.95.
            side: 1 for the upper end, -1 for the lower.
        """
        step, deviation, skew = self._towards(side)
        t = float(stdtrit(self.freedom, (1 + confidence) / 2))
        return self.value + side * (step + deviation * _gamma_quantile(t, skew))

    def p_value(self) -> float:
        """Return the level at which the interval touches 0."""
        if self.value == 0:
            return 1.0
        side = -1 if self.value > 0 else 1
        step, deviation, skew = self._towards(side)
        if deviation == 0:
            return 0.0
        t = _gamma_normal((abs(self.value) - step) / deviation, skew)
        return min(1.0, float(2 * stdtr(self.freedom, -t)))

    def _towards(self, side: int) -> tuple[float, float, float]:
        """Return the step to one more block, the deviation with it, and the skewness."""
        step = self.up if side > 0 else self.down
        variance = self.variance + step**2
        if variance == 0:
            return step, 0.0, 0.0
        skew = (side * self.third + step**3) / variance**1.5
        return step, math.sqrt(variance), 2 * min(max(skew, -1.0), 1.0)


def moments(changes: NDArray[np.int64], tokens: NDArray[np.int64], *, paired: bool) -> Moments:
    """Return the moments of a ratio over blocks.

    Args:
        changes: int64 `(n,)`, errors of each block, or what one model makes more than another.
        tokens: int64 `(n,)`, reference tokens of each block; more than 0 together.
        paired: Whether these are differences, which may turn to either side.
    """
    total = float(tokens.sum())
    value = float(changes.sum()) / total
    shares = tokens / total
    residuals = (changes - value * tokens) / total
    residuals = np.where(shares < ALL, residuals / np.maximum(1 - shares, 1 - ALL), 0.0)
    squares = float((residuals**2).sum())
    # Tokens that are wrong by themselves, in no connection: no set is surer than that.
    independent = max((float(np.abs(changes).sum()) / total - value**2) / total, 0.0)
    variance = max(squares * (1 - 1 / len(tokens)), independent)
    if paired:
        # What turned to one side in the few that were seen could as well have turned to the other.
        up = down = _unseen(np.abs(residuals), weights=np.abs(changes).astype(np.float64))
    else:
        up, down = (_unseen(np.maximum(side * residuals, 0.0)) for side in (1, -1))
    if variance == 0:
        up = down = float(shares.max())
    freedom = max(_effective(shares**2) - 1, 1.0)
    if squares:
        freedom = min(freedom, max(2 * _effective(residuals**2) - 1, FEWEST_FREEDOM))
    return Moments(value, variance, float((residuals**3).sum()), up, down, freedom)


def p_of_two(one: Moments, other: Moments) -> float:
    """Return the p value of two independent rates being equal (Welch, Biometrika 34, 1947).

    Args:
        one: Of a rate over some blocks; what one more block may bring counts as uncertainty.
        other: Of a rate over others.
    """
    variance = one.variance + other.variance + max(one.up, one.down) ** 2
    if variance == 0:
        return 1.0
    t = abs(one.value - other.value) / math.sqrt(variance)
    return float(2 * stdtr(min(one.freedom, other.freedom), -t))


def _effective(weights: FloatArray) -> float:
    """Return how many equal weights vary as much as these do."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _unseen(residuals: FloatArray, weights: FloatArray | None = None) -> float:
    """Return what one more block may bring: the worst that was seen, less where many were.

    Args:
        residuals: float64 `(n,)`, not below 0.
        weights: By which blocks are counted; the residuals themselves if not given.
    """
    weights = residuals if weights is None else weights
    if not weights.any():
        return 0.0
    return float(residuals.max()) * min((UNSEEN / _effective(weights)) ** 2, MOST_UNSEEN)


def _gamma_quantile(t: float, skew: float) -> float:
    """Return the quantile of a gamma distribution of mean 0 and deviation 1.

    Args:
        t: The normal quantile of the same level.
        skew: Skewness; below 0 the distribution is turned around.
    """
    if abs(skew) < NO_SKEW:
        return t
    shape, beyond = 4 / skew**2, float(ndtr(-t))
    drawn = gammainccinv(shape, beyond) if skew > 0 else gammaincinv(shape, beyond)
    return math.copysign(1.0, skew) * (float(drawn) - shape) / math.sqrt(shape)


def _gamma_normal(value: float, skew: float) -> float:
    """Return the normal quantile of the level at which `_gamma_quantile` is a value."""
    if abs(skew) < NO_SKEW:
        return value
    shape = 4 / skew**2
    drawn = max(shape + math.copysign(1.0, skew) * value * math.sqrt(shape), 0.0)
    beyond = gammaincc(shape, drawn) if skew > 0 else gammainc(shape, drawn)
    return -float(ndtri(beyond))
