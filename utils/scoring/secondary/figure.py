"""The value that every secondary figure is, whatever it counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.scoring.blocks import block_sums
from utils.scoring.score import Score
from utils.scoring.statistics import Interval, interval_of_sums

SHARE, POINTS = "share", "points"


@dataclass(frozen=True)
class Figure:
    """One figure of one model on one test set."""

    value: float | None
    """None where there is nothing to divide by."""
    interval: Interval | None = None
    count: int | None = None
    """Of a ratio of counts: what is above the line."""
    of: int | None = None
    """What is below it."""
    unit: str = SHARE
    """`SHARE` (0.05 is 5 %) or `POINTS` (of 100)."""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the object under its name in `figures` of results.json."""
        value = asdict(self)
        value["interval"] = None if self.interval is None else list(self.interval)
        return value


def ratio(
    score: Score,
    errors: NDArray[np.int64],
    tokens: NDArray[np.int64],
    *,
    seed: int,
    right: bool = False,
    note: str = "",
) -> Figure:
    """Return a ratio of counts with its 95 % interval.

    Args:
        score: Whose utterances these are.
        errors: int64 `(N,)`.
        tokens: int64 `(N,)`, what they are a share of.
        seed: Of the interval's bootstrap.
        right: Whether the figure is the share without an error, such as a recall.
        note: In words.
    """
    above, below = int(errors.sum()), int(tokens.sum())
    if not below:
        return Figure(None, None, 0, 0, note=note)
    interval = interval_of_sums(block_sums(score, [errors, tokens]), seed=seed)
    if not right:
        return Figure(above / below, interval, above, below, note=note)
    if interval is not None:
        interval = 1 - min(interval[1], 1.0), 1 - interval[0]
    return Figure(1 - above / below, interval, below - above, below, note=note)
