"""How accurate a model's timestamps are.

Boundaries are held against those of the manifest's `sentences`: a boundary is right if it lies
within a collar of one that is meant, each taken once. Overlap is the time that both call speech
over the time that either does (intersection over union).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Seconds = float
Times = Sequence[tuple[Seconds, Seconds]]
"""(start, end) of each piece, in order."""

COLLARS: tuple[Seconds, ...] = (0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Timing:
    """Boundaries of utterances, added up.

    Attributes:
        utterances: That have times on both sides.
        untimed: That have times only in the manifest: the model gave none.
        meant: Boundaries of the manifest.
        given: Boundaries of the model.
        right: Collar -> boundaries within it.
        both: Seconds that both call speech.
        either: Seconds that either does.
    """

    utterances: int = 0
    untimed: int = 0
    meant: int = 0
    given: int = 0
    right: dict[Seconds, int] = field(default_factory=dict)
    both: Seconds = 0.0
    either: Seconds = 0.0

    def f1(self, collar: Seconds) -> float | None:
        """Harmonic mean of precision and recall at a collar; None without boundaries."""
        total = self.meant + self.given
        return 2 * self.right.get(collar, 0) / total if total else None

    @property
    def overlap(self) -> float | None:
        """Intersection over union; None where neither calls anything speech."""
        return self.both / self.either if self.either else None


def measure_timing(pairs: Iterable[tuple[Times, Times]]) -> Timing:
    """Add up the boundaries of utterances.

    Args:
        pairs: (meant, given) of each utterance that has times in the manifest.
    """
    utterances = untimed = meant_all = given_all = 0
    right = dict.fromkeys(COLLARS, 0)
    both = either = 0.0
    for meant, given in pairs:
        if not given:
            untimed += 1
            continue
        utterances += 1
        meant_all += 2 * len(meant)
        given_all += 2 * len(given)
        for side in (0, 1):
            edges = [each[side] for each in meant], [each[side] for each in given]
            for collar in COLLARS:
                right[collar] += count_matches(*edges, collar)
        shared = _overlap(meant, given)
        both += shared
        either += _length(meant) + _length(given) - shared
    return Timing(utterances, untimed, meant_all, given_all, right, both, either)


def count_matches(meant: Sequence[Seconds], given: Sequence[Seconds], collar: Seconds) -> int:
    """Return how many times of one list can be paired with one of the other within a collar.

    Taking the earliest that fits is best, since all windows are equally long.

    Example:
        >>> count_matches([0.0, 1.0], [0.15, 0.9, 1.05], 0.2)
        2
    """
    ours, theirs = sorted(meant), sorted(given)
    i = j = found = 0
    while i < len(ours) and j < len(theirs):
        # A hair of tolerance: 0.3 - 0.1 is not 0.2 to a computer.
        if abs(ours[i] - theirs[j]) <= collar + 1e-9:
            found, i, j = found + 1, i + 1, j + 1
        elif ours[i] < theirs[j]:
            i += 1
        else:
            j += 1
    return found


def _merged(times: Times) -> list[tuple[Seconds, Seconds]]:
    """Join pieces that overlap, so that no second counts twice."""
    joined: list[tuple[Seconds, Seconds]] = []
    for start, end in sorted(times):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        elif end > start:
            joined.append((start, end))
    return joined


def _length(times: Times) -> Seconds:
    return sum(end - start for start, end in _merged(times))


def _overlap(first: Times, second: Times) -> Seconds:
    a, b = _merged(first), _merged(second)
    i = j = 0
    shared = 0.0
    while i < len(a) and j < len(b):
        shared += max(0.0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return shared
