"""A transcript as txt, vtt, srt, tsv or json, byte for byte as openai-whisper's command writes it.

A transcript is the plain object that openai-whisper returns: `text`, `language` and `segments`.
Each segment has `start` and `end` in seconds and `text`; with word times also `words`, each with
`word`, `start` and `end`. A segment with a `speaker` is written with that name before its text.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cli.files import atomic_write

Transcript = Mapping[str, Any]
Cue = tuple[str, str, str]
"""Begin, end and text of one subtitle."""

UNLIMITED = 1000
LONGEST_PAUSE = 3.0  # seconds without a word, after which a subtitle does not go on


@dataclass(frozen=True)
class SubtitleLayout:
    """How words become subtitles; without word times each segment is one.

    Attributes:
        max_line_width: characters in a line; None does not break lines.
        max_line_count: lines in a subtitle; only with `max_line_width`.
        max_words_per_line: words in a subtitle; without effect beside `max_line_width`.
        highlight_words: whether each word is underlined while it is spoken.
    """

    max_line_width: int | None = None
    max_line_count: int | None = None
    max_words_per_line: int | None = None
    highlight_words: bool = False


PLAIN = SubtitleLayout()


def write_transcript(
    transcript: Transcript, stem: Path, output_format: str, layout: SubtitleLayout = PLAIN
) -> list[Path]:
    """Write a transcript, each file whole or not at all.

    Args:
        transcript: see the module.
        stem: the files' path without the ending, which is the format's name.
        output_format: a key of `WRITERS`, or "all".
        layout: of subtitles.

    Returns:
        The files.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    written = []
    for name in formats_of(output_format):
        path = stem.with_name(f"{stem.name}.{name}")
        with atomic_write(path) as handle:
            handle.write(WRITERS[name](transcript, layout))
        written.append(path)
    return written


def formats_of(output_format: str) -> tuple[str, ...]:
    """The formats that `--output_format` names."""
    return tuple(WRITERS) if output_format == "all" else (output_format,)


def as_text(transcript: Transcript, layout: SubtitleLayout = PLAIN) -> str:
    """A line for each segment."""
    del layout
    return "".join(f"{_spoken(each)}\n" for each in transcript["segments"])


def as_vtt(transcript: Transcript, layout: SubtitleLayout = PLAIN) -> str:
    """WebVTT."""
    cues = _cues(transcript, layout, lambda seconds: clock(seconds, ".", hours=False), "<v {}>")
    return "WEBVTT\n\n" + "".join(f"{begin} --> {end}\n{text}\n\n" for begin, end, text in cues)


def as_srt(transcript: Transcript, layout: SubtitleLayout = PLAIN) -> str:
    """SubRip: numbered from 1, with a comma before the milliseconds, always with hours."""
    cues = _cues(transcript, layout, lambda seconds: clock(seconds, ",", hours=True))
    return "".join(
        f"{number}\n{begin} --> {end}\n{text}\n\n"
        for number, (begin, end, text) in enumerate(cues, start=1)
    )


def as_tsv(transcript: Transcript, layout: SubtitleLayout = PLAIN) -> str:
    """A table: start and end in whole milliseconds, text."""
    del layout
    rows = [
        f"{round(1000 * each['start'])}\t{round(1000 * each['end'])}\t"
        + _spoken(each).replace("\t", " ")
        for each in transcript["segments"]
    ]
    return "\n".join(["start\tend\ttext", *rows, ""])


def as_json(transcript: Transcript, layout: SubtitleLayout = PLAIN) -> str:
    """All of the transcript."""
    del layout
    return json.dumps(transcript)


WRITERS: dict[str, Callable[[Transcript, SubtitleLayout], str]] = {
    "txt": as_text,
    "vtt": as_vtt,
    "srt": as_srt,
    "tsv": as_tsv,
    "json": as_json,
}


def clock(seconds: float, mark: str, *, hours: bool) -> str:
    """A time as subtitles have it.

    Args:
        seconds: 0 or more.
        mark: stands before the milliseconds.
        hours: whether they are shown where there are none.

    >>> clock(61.5, ".", hours=False), clock(3661.0005, ",", hours=True)
    ('01:01.500', '01:01:01,000')
    """
    rest, milliseconds = divmod(round(seconds * 1000.0), 1000)
    rest, whole_seconds = divmod(rest, 60)
    whole_hours, minutes = divmod(rest, 60)
    shown = f"{whole_hours:02d}:" if hours or whole_hours else ""
    return f"{shown}{minutes:02d}:{whole_seconds:02d}{mark}{milliseconds:03d}"


def _spoken(segment: Mapping[str, Any], form: str = "{}: ") -> str:
    """A segment's text behind its speaker, if it has one."""
    return _prefix(segment, form) + str(segment["text"]).strip()


def _prefix(segment: Mapping[str, Any], form: str) -> str:
    return form.format(segment["speaker"]) if "speaker" in segment else ""


def _cues(
    transcript: Transcript,
    layout: SubtitleLayout,
    spell: Callable[[float], str],
    speaker: str = "{}: ",
) -> Iterator[Cue]:
    """Yield the subtitles, a speaker's name in the given form before the text."""
    segments = transcript["segments"]
    if not segments or "words" not in segments[0]:
        for each in segments:
            text = each["text"].strip().replace("-->", "->")
            yield spell(each["start"]), spell(each["end"]), _prefix(each, speaker) + text
        return
    # No subtitle holds the words of two speakers.
    for _, group in itertools.groupby(segments, key=lambda each: each.get("speaker")):
        turn = list(group)
        name = _prefix(turn[0], speaker)
        for words in _subtitles(turn, layout):
            if layout.highlight_words:
                for begin, end, text in _highlighted(words, spell):
                    yield begin, end, name + text
            else:
                text = "".join(word["word"] for word in words)
                yield spell(words[0]["start"]), spell(words[-1]["end"]), name + text


def _subtitles(
    segments: Sequence[Mapping[str, Any]], layout: SubtitleLayout
) -> Iterator[list[dict[str, Any]]]:
    """Yield the words of each subtitle, a line break before those that begin another line."""
    most_lines = layout.max_line_count or None
    # With both limits, subtitles are filled across the ends of segments.
    by_segment = most_lines is None or not layout.max_line_width
    width = layout.max_line_width or UNLIMITED
    most_words = layout.max_words_per_line or UNLIMITED
    subtitle: list[dict[str, Any]] = []
    length, lines = 0, 1
    starts = [word["start"] for segment in segments for word in segment["words"]]
    last = starts[0] if starts else 0.0
    for segment in segments:
        for number, timed in enumerate(segment["words"]):
            word = dict(timed)
            paused = not by_segment and word["start"] - last > LONGEST_PAUSE
            begins = number % most_words == 0 and bool(subtitle) and by_segment
            fits = length + len(word["word"]) <= width
            if length > 0 and fits and not paused and not begins:
                length += len(word["word"])
            else:
                word["word"] = word["word"].strip()
                is_full = most_lines is not None and (paused or lines >= most_lines)
                if begins or (subtitle and is_full):
                    yield subtitle
                    subtitle, lines = [], 1
                elif length > 0:
                    lines += 1
                    word["word"] = "\n" + word["word"]
                length = len(word["word"].strip())
            subtitle.append(word)
            last = word["start"]
    if subtitle:
        yield subtitle


def _highlighted(
    words: Sequence[Mapping[str, Any]], spell: Callable[[float], str]
) -> Iterator[Cue]:
    """Yield the subtitle once for each word, which is underlined, and for the time between."""
    texts = [word["word"] for word in words]
    last = spell(words[0]["start"])
    for place, word in enumerate(words):
        begin, end = spell(word["start"]), spell(word["end"])
        if last != begin:
            yield last, begin, "".join(texts)
        underlined = re.sub(r"^(\s*)(.*)$", r"\1<u>\2</u>", texts[place])
        yield begin, end, "".join([*texts[:place], underlined, *texts[place + 1 :]])
        last = end
