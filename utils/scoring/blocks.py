"""Which utterances belong together: blocks that are independent of each other.

Utterances of one speaker are not independent (Liu & Peng, arXiv 1912.09508), nor are those cut
from one recording. So whole speakers are drawn where five or more are known, else whole
recordings, else single utterances.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from utils.scoring.score import AUTO_BLOCKS, Score

UTTERANCE = "utterance"
# Drawing from two or three can only give a handful of different results: the interval would be
# far too narrow. Below this many, the next smaller unit is drawn.
FEWEST_BLOCKS = 5


def block_unit(score: Score) -> str:
    """Return what is drawn: "speaker", "recording" or "utterance"."""
    predictions = score.predictions
    if score.blocks != AUTO_BLOCKS:
        return score.blocks
    if _are_blocks({each.speaker for each in predictions}):
        return "speaker"
    recordings = {each.recording for each in predictions}
    if _are_blocks(recordings) and len(recordings) < len(predictions):
        return "recording"
    return UTTERANCE


def doubt(score: Score) -> str:
    """Say why an interval over this score's blocks cannot decide anything; "" where it can.

    Utterances of one to four speakers are drawn one by one, so that their interval speaks of these
    speakers alone: a gate must not take it for all others.
    """
    speakers = {each.speaker for each in score.predictions}
    if score.blocks != AUTO_BLOCKS or None in speakers or not speakers or _are_blocks(speakers):
        return ""
    if len(speakers) == len(score.predictions):
        return ""  # one utterance each: independent, few as they are
    count = "1 speaker does" if len(speakers) == 1 else f"{len(speakers)} speakers do"
    return f"{count} not represent others; --interval_over=utterance decides for these alone"


def block_sums(score: Score, columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Add up each block's rows.

    Args:
        score: Whose utterances these are.
        columns: Any number of int64 `(N,)`, a value for each utterance.

    Returns:
        int64 `(blocks, len(columns))`.
    """
    rows = np.stack(columns, axis=1) if len(columns[0]) else np.zeros((0, len(columns)), np.int64)
    block_of = block_numbers(score)
    if block_of is None:
        return rows
    return np.stack(
        [np.bincount(block_of, weights=column).astype(np.int64) for column in rows.T], axis=1
    )


def block_numbers(score: Score) -> NDArray[np.int64] | None:
    """Return the number of each utterance's block, int64 `(N,)`; None where each is its own."""
    unit = block_unit(score)
    if unit == UTTERANCE:
        return None
    # Only where a unit was asked for can a name be missing: such an utterance is its own block.
    return _numbered(getattr(each, unit) or ("", each.id) for each in score.predictions)


def pool(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different rows in order, and how many there are of each.

    Args:
        rows: int64 `(blocks, C)`, none below 0.

    Returns:
        int64 `(B, C)` and int64 `(B,)`.
    """
    spans = [int(column.max()) + 1 for column in rows.T]
    if np.prod([float(span) for span in spans]) < 2**62:
        # One number a row: sorting numbers is many times faster than sorting rows.
        keys, copies = np.unique(np.ravel_multi_index(tuple(rows.T), spans), return_counts=True)
        return np.stack(np.unravel_index(keys, spans), axis=1), copies
    different, copies = np.unique(rows, axis=0, return_counts=True)
    return different, copies


def _are_blocks(names: set[str | None]) -> bool:
    return None not in names and len(names) >= FEWEST_BLOCKS


def _numbered(names: Iterable[Hashable]) -> NDArray[np.int64]:
    """Give equal names equal numbers, from 0 in order of appearance: int64 `(N,)`."""
    numbers: dict[Hashable, int] = {}
    return np.fromiter((numbers.setdefault(name, len(numbers)) for name in names), dtype=np.int64)
