"""Where a long recording is cut: in silence, or every so many seconds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from utils.audio.clip import Seconds
from utils.cli.errors import UserError

Stretch = tuple[Seconds, Seconds]
"""Start and end, in seconds from the beginning of the recording."""

# A longer pause ends a piece: there would be little but silence to learn from.
LONGEST_PAUSE: Seconds = 2.0


def cut_at_silence(
    speech: Sequence[Stretch], length: Seconds, shortest: Seconds, longest: Seconds
) -> tuple[list[Stretch], list[Stretch]]:
    """Put stretches of speech together into pieces, cut where nobody speaks.

    Args:
        speech: where somebody speaks, in order, none longer than `longest`.
        length: of the recording.
        shortest: what a piece should have; a shorter one takes in the silence around it.
        longest: what a piece may have.

    Returns:
        The pieces in order, none over another; and the stretches of speech that cannot be brought
        to the shortest length.
    """
    groups: list[list[Stretch]] = []
    for start, end in speech:
        near = groups and start - groups[-1][-1][1] <= LONGEST_PAUSE
        if near and end - groups[-1][0][0] <= longest:
            groups[-1].append((start, end))
        else:
            groups.append([(start, end)])
    _balance(groups, shortest)
    bare = [(group[0][0], group[-1][1]) for group in groups]
    pieces, too_short = [], []
    earliest = 0.0
    for index, (start, end) in enumerate(bare):
        latest = bare[index + 1][0] if index + 1 < len(bare) else length
        if end - start < shortest:
            start, end = _widened(start, end, shortest, earliest, latest)
        if end - start < shortest - 1e-6:
            too_short.append(bare[index])
            continue
        pieces.append((round(start, 3), round(end, 3)))
        earliest = end
    return pieces, too_short


def _balance(groups: list[list[Stretch]], shortest: Seconds) -> None:
    """Give a short group stretches of the one before it, as long as that stays long enough."""
    for before, group in pairwise(groups):
        while group[-1][1] - group[0][0] < shortest and len(before) > 1:
            is_near = group[0][0] - before[-1][1] <= LONGEST_PAUSE
            if not is_near or before[-2][1] - before[0][0] < shortest:
                break
            group.insert(0, before.pop())


def _widened(
    start: Seconds, end: Seconds, wanted: Seconds, earliest: Seconds, latest: Seconds
) -> Stretch:
    """Take in silence on both sides, more on one where the other has not enough."""
    missing = wanted - (end - start)
    before = min(missing / 2, start - earliest)
    after = min(missing - before, latest - end)
    before = min(missing - after, start - earliest)
    return start - before, end + after


def cut_windows(
    length: Seconds, window: Seconds, overlap: Seconds, shortest: Seconds
) -> list[Stretch]:
    """Cut a recording every so many seconds.

    Args:
        length: of the recording.
        window: length of each piece but the last.
        overlap: what each piece shares with the one before it.
        shortest: a last piece shorter than this begins earlier, to be a whole window.

    Returns:
        The pieces in order; they cover the recording.

    Raises:
        UserError: the overlap leaves no step.
    """
    if not 0 <= overlap < window:
        raise UserError(
            f"--overlap={overlap:g} is not below --window={window:g}",
            "each window begins window - overlap seconds after the one before it",
        )
    pieces, start = [], 0.0
    while True:
        end = min(start + window, length)
        if end - start < min(shortest, window):
            start = max(0.0, end - window)
        pieces.append((round(start, 3), round(end, 3)))
        if end >= length:
            return pieces
        start += window - overlap
