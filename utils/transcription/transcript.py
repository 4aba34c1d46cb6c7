"""What a model made of a clip or recording: text, language, and segments with their times."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from utils.audio.clip import Seconds


@dataclass(frozen=True)
class Word:
    """A word with its times; `text` begins with a space where the language has one there."""

    text: str
    start: Seconds
    end: Seconds
    probability: float

    def to_json(self) -> dict[str, Any]:
        """As openai-whisper's results have it."""
        return {
            "word": self.text,
            "start": self.start,
            "end": self.end,
            "probability": self.probability,
        }


@dataclass(frozen=True)
class TimedText:
    """A segment of a transcript.

    Attributes:
        start: of the segment, from the recording's start.
        end: of the segment.
        text: without white space at its ends.
        ids: tokens of the text.
        window: start of the window that it was found in.
        temperature: that it was decoded at.
        mean_logprob: of its window, nats a token; 0 where it was not measured.
        no_speech: probability that nothing is said in its window; 0 where it was not measured.
        words: with word times.
        speaker: who says it, where that was asked for.
    """

    start: Seconds
    end: Seconds
    text: str
    ids: tuple[int, ...] = ()
    window: Seconds = 0.0
    temperature: float = 0.0
    mean_logprob: float = 0.0
    no_speech: float = 0.0
    words: tuple[Word, ...] | None = None
    speaker: str | None = None

    def shifted(self, seconds: Seconds) -> TimedText:
        """The segment in a recording in which its clip begins so late."""
        words = self.words and tuple(
            replace(w, start=round(w.start + seconds, 3), end=round(w.end + seconds, 3))
            for w in self.words
        )
        start, end = round(self.start + seconds, 3), round(self.end + seconds, 3)
        return replace(self, start=start, end=end, window=self.window + seconds, words=words)

    def to_json(self, number: int) -> dict[str, Any]:
        """As openai-whisper's results have it; `number` counts a transcript's segments from 0."""
        value: dict[str, Any] = {
            "id": number,
            "seek": round(self.window * 100),
            "start": self.start,
            "end": self.end,
            # White space inside that would end a subtitle early is one space.
            "text": " ".join(self.text.split()),
            "tokens": list(self.ids),
            "temperature": self.temperature,
            "avg_logprob": self.mean_logprob,
            "compression_ratio": compression_ratio(self.text),
            "no_speech_prob": self.no_speech,
        }
        if self.words is not None:
            value["words"] = [word.to_json() for word in self.words]
        if self.speaker is not None:
            value["speaker"] = self.speaker
        return value


@dataclass(frozen=True)
class ClipTranscript:
    """A clip's or recording's text.

    Attributes:
        text: all of it.
        language: code, as stated or as detected; None for an English model.
        segments: in order; one for the whole clip where no times were asked for.
    """

    text: str
    language: str | None
    segments: tuple[TimedText, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The result that openai-whisper returns."""
        segments = [each.to_json(number) for number, each in enumerate(self.segments)]
        return {"text": self.text, "segments": segments, "language": self.language or "en"}


def joined(parts: Sequence[ClipTranscript], separator: str) -> ClipTranscript:
    """One transcript of parts that follow each other, their times already the recording's."""
    return ClipTranscript(
        separator.join(part.text for part in parts if part.text),
        next((part.language for part in parts if part.language), None),
        tuple(segment for part in parts for segment in part.segments),
    )


def compression_ratio(text: str) -> float:
    """How many times zlib shrinks a text; one that repeats itself shrinks much.

    Example:
        >>> compression_ratio("yes " * 50) > 2.4 > compression_ratio("turn on the lights")
        True
    """
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


@dataclass(frozen=True)
class Advance:
    """What one window added to a long recording.

    Attributes:
        seek: the first frame (10 ms) of the next window.
        segments: new ones.
        ids: new tokens.
        previous: text that the next window is given.
        language: of the recording.
    """

    seek: int
    segments: tuple[TimedText, ...]
    ids: tuple[int, ...]
    previous: str
    language: str | None


def transcript_from_json(value: Mapping[str, Any]) -> ClipTranscript:
    """What `dataclasses.asdict` made of a transcript, back."""
    return ClipTranscript(
        value["text"], value["language"], tuple(_segments_from_json(value["segments"]))
    )


def advance_from_json(value: Mapping[str, Any]) -> Advance:
    """What `dataclasses.asdict` made of an advance, back."""
    segments = tuple(_segments_from_json(value["segments"]))
    return Advance(**{**value, "segments": segments, "ids": tuple(value["ids"])})


def _segments_from_json(values: Sequence[Mapping[str, Any]]) -> Iterator[TimedText]:
    for each in values:
        words = each["words"] and tuple(Word(**word) for word in each["words"])
        yield TimedText(**{**each, "ids": tuple(each["ids"]), "words": words})
