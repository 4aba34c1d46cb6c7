"""Captions that roll: every cue shows the line before once more, as live captions do.

YouTube's own captions and roll-up captions of television repeat each line two or three times, with
cues of 10 ms between them. What is learned from is each line once, with the time at which it is
new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from utils.audio.clip import Seconds
from utils.sources.text.cues import Cue

# Cues follow each other at once; in other subtitles somebody may say a thing again later.
_TOUCHING: Seconds = 0.2
# Of all neighbours, so many must roll for the file to be of this kind.
_SHARE, _FEWEST = 0.3, 2


def each_line_once(cues: Sequence[Cue]) -> list[Cue]:
    """Return cues without the lines that the cue before shows already, if the captions roll."""
    lines = [[" ".join(each.split()) for each in cue.text.split("\n")] for cue in cues]
    lines = [[each for each in some if each] for some in lines]
    rolled = [
        0 if number == 0 else _rolled(cues[number - 1], cue, lines[number - 1], lines[number])
        for number, cue in enumerate(cues)
    ]
    count = sum(1 for number, each in enumerate(rolled) if each or _grows(cues, lines, number))
    if count < _FEWEST or count < _SHARE * (len(cues) - 1):
        return list(cues)
    return _ends_cut([each for each in _new_parts(cues, lines, rolled) if each.text])


def _new_parts(
    cues: Sequence[Cue], lines: Sequence[Sequence[str]], rolled: Sequence[int]
) -> list[Cue]:
    new = []
    for number, cue in enumerate(cues):
        parts = list(lines[number][rolled[number] :])
        if parts and _grows(cues, lines, number):
            shown = lines[number - 1][-1]
            parts[0] = parts[0][len(shown) :].strip()
        new.append(replace(cue, text="\n".join(part for part in parts if part)))
    return new


def _rolled(before: Cue, cue: Cue, shown: Sequence[str], lines: Sequence[str]) -> int:
    """Return how many of a cue's first lines are the last that the cue before it shows."""
    if before.problem or cue.problem or cue.start - before.end > _TOUCHING:
        return 0
    for many in range(min(len(shown), len(lines)), 0, -1):
        if list(shown[-many:]) == list(lines[:many]):
            return many
    return 0


def _grows(cues: Sequence[Cue], lines: Sequence[Sequence[str]], number: int) -> bool:
    """Whether a cue's only new line is that of the cue before it, with more words."""
    if number == 0 or not lines[number] or not lines[number - 1]:
        return False
    before, cue = cues[number - 1], cues[number]
    if before.problem or cue.problem or cue.start - before.end > _TOUCHING:
        return False
    shown = lines[number - 1][-1]
    return len(lines[number]) == 1 and lines[number][0].startswith(f"{shown} ")


def _ends_cut(cues: Sequence[Cue]) -> list[Cue]:
    """End each cue where the next line is new: both were on screen, one was said."""
    ends = [min(cue.end, following.start) for cue, following in pairwise(cues)]
    return [
        replace(cue, end=end) if end > cue.start else cue
        for cue, end in zip(cues, [*ends, *(cue.end for cue in cues[-1:])], strict=True)
    ]
