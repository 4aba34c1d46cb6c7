"""Praat's TextGrid, long or short: the same values in the same order, with or without names.

https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from utils.sources.files import one_line
from utils.sources.text.cues import Cue

# What forced aligners call the tier of single sounds.
_PHONES = re.compile(r"phones?$", re.IGNORECASE)
# A quoted text, in which a quotation mark is doubled; the index of an item, which is no value; or a
# number. Brackets within a text are the text's.
_VALUE = re.compile(
    r'"([^"]*(?:""[^"]*)*)"|(\[\d*\])|([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)',
)


def read_textgrid(text: str, tier: str | None) -> Iterator[Cue]:
    """Yield the intervals with text of a TextGrid; each tier is a speaker, and perhaps a channel.

    Raises:
        ValueError: it is no whole TextGrid, or has no such tier.
    """
    values = _values(text)
    names: list[str] = []
    cues: list[Cue] = []
    number = 0  # of the tiers that are read
    try:
        if [next(values), next(values)] != ["ooTextFile", "TextGrid"]:
            raise ValueError("no TextGrid in text form")
        *_, count = islice(values, 3)
        for _ in range(int(count)):
            kind, name = next(values), str(next(values))
            *_, size = islice(values, 3)
            items = _items(values, 3 if kind == "IntervalTier" else 2, int(size))
            names.append(name)
            is_wanted = name == tier if tier else not _PHONES.search(name)
            if kind != "IntervalTier" or not is_wanted:
                continue
            for start, end, transcript in items:
                cues.append(Cue(float(start), float(end), one_line(str(transcript)), name, number))
            number += 1
    except (StopIteration, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"no whole TextGrid: {error or 'it ends too early'}") from None
    if not number:
        raise ValueError(f"no tier of intervals {tier or ''}; it has {', '.join(names) or 'none'}")
    # The name of the only tier is "words" or "transcript", of several it is who speaks.
    yield from cues if number > 1 else (replace(each, speaker=None) for each in cues)


def _values(text: str) -> Iterator[str | float]:
    for found in _VALUE.finditer(text):
        if found[3] is not None:
            yield float(found[3])
        elif found[2] is None:
            yield found[1].replace('""', '"')


def _items(values: Iterator[str | float], width: int, size: int) -> list[list[str | float]]:
    """Take `size` items of `width` values each; the file may state more than it has."""
    items: list[list[str | float]] = []
    while len(items) < size:
        items.append(list(islice(values, width)))
        if len(items[-1]) < width:
            raise ValueError(f"{size} items are stated, {len(items) - 1} are there")
    return items
