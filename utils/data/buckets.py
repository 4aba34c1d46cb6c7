"""Bucket sampling: which clips may share a step, decided once for a whole run.

A step's window is as long as its longest clip, so clips of similar length belong together. The
clips are put into buckets of nearly one length; every pass shuffles each bucket and cuts it at the
same places. Steps thus change their members from pass to pass and never their number, which the
learning rate and resuming in mid-run rely on, and no step of any pass exceeds its budget.

N clips, W seconds of window, T label tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LENGTH_SPREAD = 0.06
"""A bucket's shortest clip is at most this share shorter than its longest, unless one step needs
more; half of it is what the padding of a step wastes on average."""
PAIR_SPREAD = 0.10
"""The same for a bucket of two steps: where clips are few, so that those two still mix."""
FULL_CONTEXT_DIVISOR = 4
"""Where clips are counted, a full-context batch holds one clip in so many: a window of 30 s costs
six times one of 4.5 s, so that a twentieth of the steps would take a quarter of the time."""
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

    def full_context_capacity(self, cost: float) -> int:
        """Clips in a full-context batch whose dearest clip costs so much in its full window."""
        if self.clips is None:
            return self.capacity(cost)
        # Of all parts together, so that it does not depend on how many there are.
        return max(1, min(self.capacity(cost), self.parts * self.clips // FULL_CONTEXT_DIVISOR))


@dataclass(frozen=True)
class Bucket:
    """Clips of nearly one length.

    Attributes:
        rows: int64 `(clips,)`, their places in the training table.
        step_size: clips in each of its steps (the last step of the shortest clips may be smaller).
        reserved: how many of them, others in each pass, are in a full-context batch instead.
    """

    rows: np.ndarray
    step_size: int
    reserved: int

    @property
    def num_steps(self) -> int:
        """Steps in each pass."""
        return -(-(len(self.rows) - self.reserved) // self.step_size)


@dataclass(frozen=True)
class Layout:
    """All buckets, and the full-context batches that clips of every length take turns in.

    Attributes:
        buckets: longest clips first.
        full_context_size: clips in a full-context batch, fewer than in others: it keeps its budget
            at a window of 30 s, or holds a quarter of the clips where they are counted.
    """

    buckets: tuple[Bucket, ...]
    full_context_size: int

    @property
    def num_full_context(self) -> int:
        """Full-context batches in each pass."""
        return -(-sum(bucket.reserved for bucket in self.buckets) // self.full_context_size)

    @property
    def num_steps(self) -> int:
        """Steps in each pass."""
        return sum(bucket.num_steps for bucket in self.buckets) + self.num_full_context

    def draw(self, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The steps of one pass, in no order yet.

        Args:
            rng: decides which members of a bucket meet, and which are in full-context batches.

        Returns:
            The steps of the buckets and the full-context batches, int64 `(clips,)` each.
        """
        steps: list[np.ndarray] = []
        reserved = [np.zeros(0, dtype=np.int64)]
        for bucket in self.buckets:
            rows = rng.permutation(bucket.rows)
            kept = len(rows) - bucket.reserved
            steps += _pieces(rows[:kept], bucket.step_size)
            reserved.append(rows[kept:])
        return steps, _pieces(rng.permutation(np.concatenate(reserved)), self.full_context_size)


def make_layout(
    windows: np.ndarray,
    tokens: np.ndarray,
    budget: Budget,
    full_context_share: float = 0.0,
    full_window: float = 30.0,
) -> Layout:
    """Bucket the clips.

    Args:
        windows: float64 `(N,)`, seconds of the shortest window that each clip needs.
        tokens: int64 `(N,)`, label tokens of each clip.
        budget: what a step may hold.
        full_context_share: share of the steps that are to have a full context; at least one step
            if above 0.
        full_window: seconds of the window that full-context batches are sized for.
    """
    costs = budget.costs(windows, tokens)
    # Within a narrow range of lengths the dear ones, which have many tokens, stand together.
    ranges = np.floor(np.log(np.maximum(windows, 1e-3)) / -math.log1p(-LENGTH_SPREAD))
    order = np.lexsort((-windows, -costs, -ranges))
    dearest = budget.costs(np.array([full_window]), tokens.max(keepdims=True, initial=0))[0]
    full_context_size = budget.full_context_capacity(float(dearest))
    cut = _Cutter(order, windows[order], costs[order], budget)
    if full_context_share <= 0 or len(windows) < 2:
        return Layout(tuple(cut.buckets(frozenset())), full_context_size)
    plain = sum(bucket.num_steps for bucket in cut.buckets(frozenset()))
    # Reserved clips leave fewer other steps: the share is of the steps that there are then.
    lightness = full_context_size * plain / len(windows)
    share = full_context_share
    wanted = round(share * plain / (1 - share + share * lightness))
    reserved = min(max(1, wanted) * full_context_size, len(windows) // 2)
    # Evenly over the lengths, so that every bucket reserves its share.
    places = ((np.arange(reserved) + 0.5) * len(windows) / reserved).astype(int)
    return Layout(tuple(cut.buckets(frozenset(places.tolist()))), full_context_size)


class _Cutter:
    """Cuts sorted clips into buckets that hold whole steps.

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

    def buckets(self, reserved: frozenset[int]) -> list[Bucket]:
        """The buckets; `reserved` are the places in the order of full-context batches."""
        buckets, start = [], 0
        while start < len(self.order):
            end, size, dearest = self._first_step(start, reserved)
            if size:
                end = self._further_steps(start, end, size, dearest, reserved)
            number = sum(place in reserved for place in range(start, end)) if reserved else 0
            buckets.append(Bucket(self.order[start:end], max(size, 1), number))
            start = end
        return buckets

    def _first_step(self, start: int, reserved: frozenset[int]) -> tuple[int, int, float]:
        """Where the first step ends, how many clips of its own it has, and its highest cost."""
        end, size, dearest = start, 0, 0.0
        while end < len(self.order):
            cost = max(dearest, self.costs[end])
            if size + (end not in reserved) > self.budget.capacity(cost):
                break
            dearest = cost
            size += end not in reserved
            end += 1
        return end, size, dearest

    def _further_steps(
        self, start: int, end: int, size: int, dearest: float, reserved: frozenset[int]
    ) -> int:
        """Where the last step ends of those that the bucket takes in whole."""
        longest = max(self.windows[start:end])
        shortest = longest * (1 - PAIR_SPREAD)
        cheapest = dearest * (1 - COST_SPREAD)
        pending = 0
        for place in range(end, len(self.order)):
            cost = self.costs[place]
            if self.windows[place] < shortest or not cheapest <= cost <= dearest:
                break
            pending += place not in reserved
            if pending == size:
                pending, end = 0, place + 1
                shortest = longest * (1 - LENGTH_SPREAD)
        return end


def _pieces(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[place : place + size] for place in range(0, len(rows), size)]
