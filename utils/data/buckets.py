"""Which clips may share a step, decided once for a whole run.

A step's window is as long as its longest clip, so clips of similar length belong together. The
clips are put into groups of nearly one length; every pass shuffles each group and cuts it at the
same places. Steps thus change their members from pass to pass and never their number, which the
learning rate and resuming in mid-run rely on, and no step of any pass exceeds its budget.

N clips, W seconds of window, T label tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LENGTH_SPREAD = 0.06
"""A group's shortest clip is at most this share shorter than its longest, unless one step needs
more; half of it is what the padding of a step wastes on average."""
PAIR_SPREAD = 0.10
"""The same for a group of two steps: where clips are few, so that those two still mix."""
WIDE_DIVISOR = 4
"""Where clips are counted, a wide step holds one clip in so many: a window of 30 s costs six times
one of 4.5 s, so that a twentieth of the steps would take a quarter of the time."""
COST_SPREAD = 0.2
"""Likewise for the share of the budget that its clips take, where label tokens decide it."""


@dataclass(frozen=True)
class Budget:
    """How many clips fit into a step.

    Attributes:
        parts: micro-batches in a step, over accumulation and processes.
        clips: most clips in a micro-batch; None: no limit by count.
        seconds: most seconds of padded window in a micro-batch (clips x W); None: no limit.
        tokens: most label tokens in a micro-batch (clips x longest T); None: no limit.
    """

    parts: int = 1
    clips: int | None = None
    seconds: float | None = None
    tokens: int | None = None

    def costs(self, windows: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Share of a micro-batch that a clip takes: float64 `(N,)`; above 1 it does not fit.

        Args:
            windows: float64 `(N,)`, W of each clip.
            tokens: int64 `(N,)`, T of each clip.
        """
        costs = np.zeros(len(windows)) if self.clips is None else np.ones(len(windows)) / self.clips
        if self.seconds is not None:
            costs = np.maximum(costs, windows / self.seconds)
        if self.tokens is not None:
            costs = np.maximum(costs, tokens / self.tokens)
        return costs

    def capacity(self, cost: float) -> int:
        """Clips in a step whose dearest clip costs so much; one a micro-batch always fits."""
        # The tiny amount undoes rounding: 1 / (1 / 49) is a little below 49.
        return self.parts * max(1, math.floor(1.0 / cost + 1e-9))

    def wide_capacity(self, cost: float) -> int:
        """Clips in a wide step whose dearest clip costs so much in its wide window."""
        if self.clips is None:
            return self.capacity(cost)
        # Of all parts together, so that it does not depend on how many there are.
        return max(1, min(self.capacity(cost), self.parts * self.clips // WIDE_DIVISOR))


@dataclass(frozen=True)
class Group:
    """Clips of nearly one length.

    Attributes:
        rows: int64 `(clips,)`, their places in the training table.
        step_size: clips in each of its steps (the last step of the shortest clips may be smaller).
        lent: how many of them, others in each pass, are in a wide step instead.
    """

    rows: np.ndarray
    step_size: int
    lent: int

    @property
    def num_steps(self) -> int:
        """Steps in each pass."""
        return -(-(len(self.rows) - self.lent) // self.step_size)


@dataclass(frozen=True)
class Layout:
    """All groups, and the wide steps that clips of every length take turns in.

    Attributes:
        groups: longest clips first.
        wide_size: clips in a wide step, fewer than in others: it keeps its budget at a window of
            30 s, or holds a quarter of the clips where they are counted.
    """

    groups: tuple[Group, ...]
    wide_size: int

    @property
    def num_wide(self) -> int:
        """Wide steps in each pass."""
        return -(-sum(group.lent for group in self.groups) // self.wide_size)

    @property
    def num_steps(self) -> int:
        """Steps in each pass."""
        return sum(group.num_steps for group in self.groups) + self.num_wide

    def deal(self, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The steps of one pass, in no order yet.

        Args:
            rng: decides which members of a group meet, and which are lent.

        Returns:
            The steps of the groups and the wide steps, int64 `(clips,)` each.
        """
        steps: list[np.ndarray] = []
        lent = [np.zeros(0, dtype=np.int64)]
        for group in self.groups:
            rows = rng.permutation(group.rows)
            kept = len(rows) - group.lent
            steps += _pieces(rows[:kept], group.step_size)
            lent.append(rows[kept:])
        return steps, _pieces(rng.permutation(np.concatenate(lent)), self.wide_size)


def make_layout(
    windows: np.ndarray,
    tokens: np.ndarray,
    budget: Budget,
    wide_share: float = 0.0,
    widest: float = 30.0,
) -> Layout:
    """Group the clips.

    Args:
        windows: float64 `(N,)`, seconds of the shortest window that each clip needs.
        tokens: int64 `(N,)`, label tokens of each clip.
        budget: what a step may hold.
        wide_share: share of the steps that are to be wide (at least one step if above 0).
        widest: seconds of the window that wide steps are sized for.
    """
    costs = budget.costs(windows, tokens)
    # Within a narrow range of lengths the dear ones, which have many tokens, stand together.
    ranges = np.floor(np.log(np.maximum(windows, 1e-3)) / -math.log1p(-LENGTH_SPREAD))
    order = np.lexsort((-windows, -costs, -ranges))
    dearest = budget.costs(np.array([widest]), tokens.max(keepdims=True, initial=0))[0]
    wide_size = budget.wide_capacity(float(dearest))
    cut = _Cutter(order, windows[order], costs[order], budget)
    if wide_share <= 0 or len(windows) < 2:
        return Layout(tuple(cut.groups(frozenset())), wide_size)
    plain = sum(group.num_steps for group in cut.groups(frozenset()))
    # Lending clips to wide steps leaves fewer others: their share is of the steps that there are.
    lightness = wide_size * plain / len(windows)
    wide = round(wide_share * plain / (1 - wide_share + wide_share * lightness))
    lent = min(max(1, wide) * wide_size, len(windows) // 2)
    # Evenly over the lengths, so that every group lends its share.
    places = ((np.arange(lent) + 0.5) * len(windows) / lent).astype(int)
    return Layout(tuple(cut.groups(frozenset(places.tolist()))), wide_size)


class _Cutter:
    """Cuts sorted clips into groups that hold whole steps.

    Args:
        order: int64 `(N,)`, rows of the clips, about from long to short.
        windows: float64 `(N,)`, in that order.
        costs: float64 `(N,)`, in that order.
        budget: what a step may hold.
    """

    def __init__(
        self, order: np.ndarray, windows: np.ndarray, costs: np.ndarray, budget: Budget
    ) -> None:
        self.order = order
        self.windows: list[float] = windows.tolist()
        self.costs: list[float] = costs.tolist()
        self.budget = budget

    def groups(self, lent: frozenset[int]) -> list[Group]:
        """The groups; `lent` are the places, in the sorted order, that wide steps get."""
        groups, start = [], 0
        while start < len(self.order):
            end, size, dearest = self._first_step(start, lent)
            if size:
                end = self._further_steps(start, end, size, dearest, lent)
            number = sum(place in lent for place in range(start, end)) if lent else 0
            groups.append(Group(self.order[start:end], max(size, 1), number))
            start = end
        return groups

    def _first_step(self, start: int, lent: frozenset[int]) -> tuple[int, int, float]:
        """Where the first step ends, how many clips of its own it has, and its highest cost."""
        end, size, dearest = start, 0, 0.0
        while end < len(self.order):
            cost = max(dearest, self.costs[end])
            if size + (end not in lent) > self.budget.capacity(cost):
                break
            dearest = cost
            size += end not in lent
            end += 1
        return end, size, dearest

    def _further_steps(
        self, start: int, end: int, size: int, dearest: float, lent: frozenset[int]
    ) -> int:
        """Where the last step ends of those that the group takes in whole."""
        longest = max(self.windows[start:end])
        shortest = longest * (1 - PAIR_SPREAD)
        cheapest = dearest * (1 - COST_SPREAD)
        pending = 0
        for place in range(end, len(self.order)):
            cost = self.costs[place]
            if self.windows[place] < shortest or not cheapest <= cost <= dearest:
                break
            pending += place not in lent
            if pending == size:
                pending, end = 0, place + 1
                shortest = longest * (1 - LENGTH_SPREAD)
        return end


def _pieces(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[place : place + size] for place in range(0, len(rows), size)]
