"""Loops: a decoder that says the same tokens over and over and does not end by itself."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST_PERIOD = 30
FEWEST_TIMES = 6
FEWEST_TOKENS = 60
"""A laugh or a chorus is shorter. At a second for ten tokens, this is more than a person repeats
without a change, and an eighth of what a decoder would write to its limit."""


def ends_in_loop(ids: Sequence[int]) -> bool:
    """Whether the last tokens are one phrase again and again.

    Args:
        ids: an answer so far, without the prompt.

    Returns:
        Whether a phrase of at most LONGEST_PERIOD tokens stands at the end FEWEST_TIMES times or
        more, FEWEST_TOKENS tokens or more in all.

    Example:
        >>> ends_in_loop([1, 2] + [7, 8, 9] * 20)
        True
        >>> ends_in_loop([7, 8, 9] * 20 + [1])
        False
    """
    for period in range(1, LONGEST_PERIOD + 1):
        span = max(FEWEST_TOKENS, FEWEST_TIMES * period)
        if span > len(ids):
            return False
        last = len(ids) - 1
        if all(ids[last - k] == ids[last - k - period] for k in range(span - period)):
            return True
    return False
