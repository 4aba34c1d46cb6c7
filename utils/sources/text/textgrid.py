"""Praat's TextGrid, long or short: the same values in the same order, with or without names.

https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from utils.sources.files import one_line
from utils.sources.text.cues import Cue

BINARY_SIGN = b"ooBinaryFile"
# What forced aligners call the tier of single sounds.
_PHONES = re.compile(r"phones?$", re.IGNORECASE)
# A quoted text, in which a quotation mark is doubled; the index of an item or a comment, which are
# no values; or a number. Brackets within a text are the text's.
_VALUE = re.compile(
    r'"([^"]*(?:""[^"]*)*)"|(\[\d*\]|![^\n]*)|([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)',
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
        first, second = str(next(values)), next(values)
        if not first.startswith("ooTextFile") or second != "TextGrid":
            raise ValueError("no TextGrid")
        *_, count = [*islice(values, 3), 0][:3]
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


def text_of_binary(content: bytes) -> str:
    """Bring a TextGrid that Praat saved as a binary file into its short text form.

    Raises:
        ValueError: it is no whole one.
    """
    place = len(BINARY_SIGN)

    def take(form: str) -> Any:
        nonlocal place
        (value,) = struct.unpack_from(f">{form}", content, place)
        place += struct.calcsize(form)
        return value

    def text(width: str) -> str:
        count = take(width)
        is_wide = width == "H" and count == 0xFFFF
        count = 2 * take("H") if is_wide else count
        found = take(f"{count}s").decode("utf-16-be" if is_wide else "latin-1")
        return '"' + found.replace('"', '""') + '"'

    try:
        lines = ['"ooTextFile"', text("B"), take("d"), take("d"), "<exists>"[: 8 * take("B")]]
        lines.append(tiers := take("i"))
        for _ in range(tiers):
            lines += [kind := text("B"), text("H"), take("d"), take("d"), items := take("i")]
            times = 2 if kind == '"IntervalTier"' else 1
            for _ in range(items):
                lines += [*(take("d") for _ in range(times)), text("H")]
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"no whole binary TextGrid: {error}") from None
    return "\n".join(map(str, lines))


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
