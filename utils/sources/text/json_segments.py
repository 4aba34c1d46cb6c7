"""JSON with times: Whisper's and whisper.cpp's, Premiere's transcripts, aeneas' sync maps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from utils.audio.clip import Seconds
from utils.sources.files import one_line
from utils.sources.text.cues import FOREVER, Cue, clock_of

_LISTS = ("segments", "fragments", "transcription", "chunks")


def read_json(text: str, tier: str | None) -> Iterator[Cue]:
    """Yield the segments of a JSON file: of one of `_LISTS`, or of a list of such objects.

    Raises:
        ValueError: it holds no such list, or a segment lacks its text or times.
    """
    value: Any = json.loads(text)
    speakers: dict[str, str] = {}
    if isinstance(value, dict):
        speakers = _speakers(value.get("speakers"))
        value = next((value[name] for name in _LISTS if value.get(name)), None)
    if not isinstance(value, list):
        raise ValueError('expected {"segments": [{"start": s, "end": s, "text": "..."}]}')
    for number, each in enumerate(value):
        try:
            start, end = _times(each)
            transcript = _text(each)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ValueError(f"segment {number} has no start, end and text: {error}") from None
        problem = "" if end is not None else "times that cannot be read: it has no end"
        problem = problem if transcript is not None else "not transcribed: it has no text"
        end = FOREVER if end is None else end
        if not (0 <= start < math.inf and 0 <= end < math.inf):
            raise ValueError(f"segment {number} goes from {start} to {end} s")
        speaker = each.get("speaker")
        name = speakers.get(str(speaker), speaker) if isinstance(speaker, str | int) else None
        channel = each.get("channel")
        side = channel if type(channel) is int and channel >= 0 else None
        yield Cue(
            *(start, end, one_line(transcript or "")),
            *(None if name is None else str(name), side, problem),
        )


def _speakers(value: Any) -> dict[str, str]:
    """Return the names of Premiere's speakers, which segments call by long numbers."""
    if not isinstance(value, list):
        return {}
    known = [each for each in value if isinstance(each, dict) and "id" in each and "name" in each]
    return {str(each["id"]): str(each["name"]) for each in known}


def _times(segment: Mapping[str, Any]) -> tuple[Seconds, Seconds | None]:
    """Return start and end; transformers' pipeline leaves the last end out."""
    if "offsets" in segment:  # of whisper.cpp, in milliseconds
        return segment["offsets"]["from"] / 1000, segment["offsets"]["to"] / 1000
    if "timestamp" in segment:  # of transformers' pipeline
        start, end = segment["timestamp"]
        return _seconds(start), None if end is None else _seconds(end)
    start = _seconds(segment["start"] if "start" in segment else segment["begin"])
    if "end" in segment:
        return start, None if segment["end"] is None else _seconds(segment["end"])
    return start, round(start + _seconds(segment["duration"]), 3)


def _seconds(value: Any) -> Seconds:
    known = clock_of(value) if isinstance(value, str) and ":" in value else None
    return float(value) if known is None else known


def _text(segment: Mapping[str, Any]) -> str | None:
    if "text" in segment:
        transcript = segment["text"]
    elif "words" in segment:
        transcript = _words(segment["words"])
    else:
        transcript = " ".join(segment["lines"])
    if not isinstance(transcript, str | None):
        raise TypeError("the text is none")
    return transcript


def _words(words: list[Mapping[str, Any]]) -> str:
    """Put words together; marks stand at the end of the word before them."""
    text = ""
    for each in words:
        is_mark = each.get("type") == "punctuation"
        text += each["text"] if is_mark else f" {each['text']}"
    return text
