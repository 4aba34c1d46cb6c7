"""Subtitle files -> sentences with their times.

A format is one function from the file's text to `TimedSentence`s and one row in `FORMATS`. Times
are returned as they stand in the file: whether they overlap or pass the end of the recording is
for whoever knows the recording to say (`utils.sources.text.pieces`).
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from utils.audio.clip import Seconds, TimedSentence
from utils.cli.errors import UserError
from utils.sources.files import one_line, read_text

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d+))?"
_CUE = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}")
# None of these looks past where another could begin: a line of a million brackets takes no time.
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}")
_ASS_OVERRIDE = re.compile(r"\{[^{}]*\}")
_ASS_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")
# What forced aligners call the tier of single sounds.
_PHONES = re.compile(r"phones?$", re.IGNORECASE)
# A quoted text, in which a quotation mark is doubled, or a number.
_PRAAT_VALUE = re.compile(r'"([^"]*(?:""[^"]*)*)"|([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)')


def read_subtitles(path: Path, tier: str | None = None) -> list[TimedSentence]:
    """Read the sentences of a subtitle file.

    Args:
        path: a file whose suffix is one of `FORMATS`.
        tier: name of the tier of a TextGrid; None takes all that have intervals, a speaker each,
            but not one of phones.

    Returns:
        The sentences with text, in the order of the file, in seconds from its beginning.

    Raises:
        UserError: the format is not known, the file is broken, or it holds no sentence.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UserError(f"{path} is no subtitle file", f"known are {', '.join(FORMATS)}")
    try:
        found = [each for each in FORMATS[suffix](read_text(path), tier) if each.text]
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path}: {error}", "make the file again, or mend it") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply", "is it the right kind of file?") from None
    if not found:
        raise UserError(f"{path} holds no sentence with times", "is it the right kind of file?")
    return found


def _arrows(text: str, tier: str | None) -> Iterator[TimedSentence]:
    """SubRip and WebVTT: a line of two times, then text up to a blank line."""
    times: tuple[Seconds, Seconds] | None = None
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        found = _CUE.match(line)
        if found or not line.strip():
            if times is not None:
                # Without a blank line between cues the next one's number would end the text.
                kept = lines[:-1] if found and lines and lines[-1].strip().isdigit() else lines
                plain = html.unescape(_TAG.sub("", "\n".join(kept)))
                yield TimedSentence(*times, one_line(plain))
            times, lines = None, []
        if found:
            times = _clock(*found.groups()[:4]), _clock(*found.groups()[4:])
        elif times is not None:
            lines.append(line)


def _clock(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> Seconds:
    return round(
        int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}"), 3
    )


def _ass(text: str, tier: str | None) -> Iterator[TimedSentence]:
    """(Advanced) SubStation Alpha: `Dialogue:` lines, whose fields a `Format:` line names."""
    fields: list[str] = []
    in_events = False
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("["):
            in_events = line.strip().lower() == "[events]"
        kind, _, rest = line.partition(":")
        if in_events and kind == "Format":
            fields = [name.strip().lower() for name in rest.split(",")]
        elif in_events and kind == "Dialogue":
            row = dict(zip(fields, rest.split(",", max(len(fields) - 1, 0)), strict=False))
            times = [re.fullmatch(_CLOCK, row.get(name, "").strip()) for name in ("start", "end")]
            if times[0] is None or times[1] is None or "text" not in row:
                raise ValueError(f"line {number}: no Start, End and Text as `Format:` names them")
            plain = re.sub(r"\\[Nnh]", " ", _ASS_OVERRIDE.sub("", row["text"]))
            # \p1 begins a drawing, whose "text" are coordinates.
            if not _ASS_DRAWING.search(row["text"]):
                yield TimedSentence(
                    _clock(*times[0].groups()), _clock(*times[1].groups()), one_line(plain)
                )


def _textgrid(text: str, tier: str | None) -> Iterator[TimedSentence]:
    """Praat's TextGrid, long or short: the same values in the same order, with or without names.

    https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
    """
    without_indices = re.sub(r"\[\d*\]", "", text)
    values = iter(
        string.replace('""', '"') if not number else float(number)
        for string, number in _PRAAT_VALUE.findall(without_indices)
    )
    names, is_found = [], False
    try:
        if [next(values), next(values)] != ["ooTextFile", "TextGrid"]:
            raise ValueError("no TextGrid in text form")
        *_, count = islice(values, 3)
        for _ in range(int(count)):
            kind, name = next(values), next(values)
            *_, size = islice(values, 3)
            width = 3 if kind == "IntervalTier" else 2
            items = _items(values, width, int(size))
            names.append(str(name))
            is_wanted = name == tier if tier else not _PHONES.search(str(name))
            if kind == "IntervalTier" and is_wanted:
                is_found = True
                for start, end, said in items:
                    yield TimedSentence(float(start), float(end), one_line(str(said)))
    except (StopIteration, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"no whole TextGrid: {error or 'it ends too early'}") from None
    if not is_found:
        raise ValueError(f"no tier of intervals {tier or ''}; it has {', '.join(names) or 'none'}")


def _items(values: Iterator[str | float], width: int, size: int) -> list[list[str | float]]:
    """Take `size` items of `width` values each; the file may state more than it has."""
    items: list[list[str | float]] = []
    while len(items) < size:
        items.append(list(islice(values, width)))
        if len(items[-1]) < width:
            raise ValueError(f"{size} items are stated, {len(items) - 1} are there")
    return items


def _json(text: str, tier: str | None) -> Iterator[TimedSentence]:
    """Whisper's JSON (`segments`), aeneas' sync map (`fragments`), or a list of such objects."""
    value: Any = json.loads(text)
    if isinstance(value, dict):
        value = value.get("segments") or value.get("fragments")
    if not isinstance(value, list):
        raise ValueError('expected {"segments": [{"start": s, "end": s, "text": "..."}]}')
    for number, each in enumerate(value):
        try:
            said = each["text"] if "text" in each else " ".join(each["lines"])
            start = float(each["start"] if "start" in each else each["begin"])
            end = float(each["end"])
            if not isinstance(said, str):
                raise TypeError("the text is none")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"segment {number} has no start, end and text: {error}") from None
        if not (0 <= start < math.inf and 0 <= end < math.inf):
            raise ValueError(f"segment {number} goes from {start} to {end} s")
        yield TimedSentence(start, end, one_line(said))


FORMATS: dict[str, Callable[[str, str | None], Iterator[TimedSentence]]] = {
    ".srt": _arrows,
    ".vtt": _arrows,
    ".ass": _ass,
    ".ssa": _ass,
    ".textgrid": _textgrid,
    ".json": _json,
}
