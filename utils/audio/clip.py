"""Where a sound is and when something is said in it: `audio` and `sentences` of a manifest line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.cli.json_fields import (
    nothing,
    seconds_field,
    shown,
    unknown_fields,
)

Seconds = float

_AUDIO_FIELDS = frozenset({"path", "start_time", "end_time", "offset", "size", "channel"})
_SENTENCE_FIELDS = frozenset({"start", "end", "text"})


@dataclass(frozen=True, slots=True)
class AudioRef:
    """Where the sound is: a file, a piece of it in time, or a byte range of an uncompressed tar.

    `channel` is one of several, from 0; None is the mean of all.
    """

    path: str
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    offset: int | None = None
    size: int | None = None
    channel: int | None = None
    extra: Mapping[str, Any] = field(default_factory=nothing, hash=False)

    @classmethod
    def from_json(cls, value: Any) -> AudioRef:
        """Read the `audio` object of a manifest line.

        Raises:
            ValueError: saying what was found and what was expected.
        """
        if type(value) is not dict:
            raise ValueError(f'"audio" is {shown(value)}; expected an object {{"path": "..."}}')
        path = value.get("path")
        if type(path) is not str or not path.strip():
            raise ValueError(f'"audio.path" is {shown(path)}; expected the path of an audio file')
        if "\0" in path:
            raise ValueError(f'"audio.path" {path!r} holds a zero byte')
        if len(value) == 1:
            return cls(path)
        start = seconds_field(value, "start_time", "audio.")
        end = seconds_field(value, "end_time", "audio.")
        if end is not None and end <= (start or 0.0):
            raise ValueError(
                f'"audio.end_time" {end:g} is not after "audio.start_time" {start or 0.0:g}'
            )
        offset, size = _bytes(value, "offset"), _bytes(value, "size")
        if (offset is None) != (size is None):
            raise ValueError('"audio.offset" and "audio.size" belong together; only one is given')
        channel = _channel(value.get("channel"))
        return cls(path, start, end, offset, size, channel, unknown_fields(value, _AUDIO_FIELDS))

    def to_json(self) -> dict[str, Any]:
        """Return the `audio` object of a manifest line; what is None is left out."""
        known = (
            ("path", self.path),
            ("start_time", self.start_time),
            ("end_time", self.end_time),
            ("offset", self.offset),
            ("size", self.size),
            ("channel", self.channel),
        )
        return {name: value for name, value in known if value is not None} | dict(self.extra)


@dataclass(frozen=True, slots=True)
class TimedSentence:
    """A sentence and when it is said, in seconds from the beginning of the utterance."""

    start: Seconds
    end: Seconds
    text: str
    extra: Mapping[str, Any] = field(default_factory=nothing, hash=False)

    @classmethod
    def from_json(cls, value: Any, name: str = "sentences[0]") -> TimedSentence:
        """Read one item of `sentences`.

        Args:
            value: what the JSON holds there.
            name: what to call it in an error.

        Raises:
            ValueError: saying what was found and what was expected.
        """
        if type(value) is not dict:
            raise ValueError(
                f'"{name}" is {shown(value)}; expected {{"start": s, "end": s, "text": "..."}}'
            )
        for key in ("start", "end", "text"):
            if value.get(key) is None:
                raise ValueError(f'"{name}" has no "{key}"')
        start = seconds_field(value, "start", f"{name}.") or 0.0
        end = seconds_field(value, "end", f"{name}.") or 0.0
        if end < start:
            raise ValueError(f'"{name}" ends at {end:g} s before it starts at {start:g} s')
        text = value["text"]
        if type(text) is not str:
            raise ValueError(f'"{name}.text" is {shown(text)}; expected text')
        return cls(start, end, text, unknown_fields(value, _SENTENCE_FIELDS))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form of this sentence."""
        return {"start": self.start, "end": self.end, "text": self.text} | dict(self.extra)


def _bytes(audio: dict[str, Any], name: str) -> int | None:
    value = audio.get(name)
    if value is None:
        return None
    smallest = 1 if name == "size" else 0
    if type(value) is not int or value < smallest:
        raise ValueError(
            f'"audio.{name}" is {shown(value)}; expected a number of bytes, {smallest} or more'
        )
    return value


def _channel(value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(
            f'"audio.channel" is {shown(value)}; expected the number of a channel, 0 or more'
        )
    return value
