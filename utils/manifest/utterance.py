"""One utterance: a piece of audio, what is said in it, and what is known about it.

A manifest holds one JSON object a line; `Utterance.from_json` is the only place that says what such
an object must look like (`manifest.schema.json` says the same for other programs).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.cli.errors import UserError
from utils.manifest.languages import language_code

Seconds = float

TASKS = ("transcribe", "translate")

_AUDIO_FIELDS = frozenset({"path", "start_time", "end_time", "offset", "size"})
_SENTENCE_FIELDS = frozenset({"start", "end", "text"})
_FIELDS = frozenset(
    {
        *("audio", "sentence", "id", "language", "sentences"),
        *("duration", "speaker", "prompt", "task", "source"),
    }
)

# Shared by all values without unknown fields: a million empty dicts would cost 64 MB.
_NOTHING: Mapping[str, Any] = {}


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@dataclass(frozen=True, slots=True)
class AudioRef:
    """Where the sound is: a file, a piece of it in time, or a byte range of an uncompressed tar."""

    path: str
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    offset: int | None = None
    size: int | None = None
    extra: Mapping[str, Any] = field(default_factory=_nothing, hash=False)

    @classmethod
    def from_json(cls, value: Any) -> AudioRef:
        """Read the `audio` object of a manifest line.

        Raises:
            ValueError: saying what was found and what was expected.
        """
        if type(value) is not dict:
            raise ValueError(f'"audio" is {_shown(value)}; expected an object {{"path": "..."}}')
        path = value.get("path")
        if type(path) is not str or not path.strip():
            raise ValueError(f'"audio.path" is {_shown(path)}; expected the path of an audio file')
        if "\0" in path:
            raise ValueError(f'"audio.path" {path!r} holds a zero byte')
        if len(value) == 1:
            return cls(path)
        start = _time(value, "start_time", "audio.")
        end = _time(value, "end_time", "audio.")
        if end is not None and end <= (start or 0.0):
            raise ValueError(
                f'"audio.end_time" {end:g} is not after "audio.start_time" {start or 0.0:g}'
            )
        offset, size = _bytes(value, "offset"), _bytes(value, "size")
        if (offset is None) != (size is None):
            raise ValueError('"audio.offset" and "audio.size" belong together; only one is given')
        return cls(path, start, end, offset, size, _unknown(value, _AUDIO_FIELDS))

    def to_json(self) -> dict[str, Any]:
        """Return the `audio` object of a manifest line; what is None is left out."""
        known = (
            ("path", self.path),
            ("start_time", self.start_time),
            ("end_time", self.end_time),
            ("offset", self.offset),
            ("size", self.size),
        )
        return {name: value for name, value in known if value is not None} | dict(self.extra)


@dataclass(frozen=True, slots=True)
class TimedSentence:
    """A sentence and when it is said, in seconds from the beginning of the utterance."""

    start: Seconds
    end: Seconds
    text: str
    extra: Mapping[str, Any] = field(default_factory=_nothing, hash=False)

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
                f'"{name}" is {_shown(value)}; expected {{"start": s, "end": s, "text": "..."}}'
            )
        for key in ("start", "end", "text"):
            if value.get(key) is None:
                raise ValueError(f'"{name}" has no "{key}"')
        start = _time(value, "start", f"{name}.") or 0.0
        end = _time(value, "end", f"{name}.") or 0.0
        if end < start:
            raise ValueError(f'"{name}" ends at {end:g} s before it starts at {start:g} s')
        text = value["text"]
        if type(text) is not str:
            raise ValueError(f'"{name}.text" is {_shown(text)}; expected text')
        return cls(start, end, text, _unknown(value, _SENTENCE_FIELDS))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form of this sentence."""
        return {"start": self.start, "end": self.end, "text": self.text} | dict(self.extra)


@dataclass(frozen=True, slots=True)
class Utterance:
    """A line of a manifest.

    `language` is a code of `languages.LANGUAGES` or None (unknown); `sentences` is None where no
    times are known and empty where nothing is said; `extra` keeps the fields that we do not know.
    """

    audio: AudioRef
    sentence: str
    id: str
    language: str | None = None
    sentences: tuple[TimedSentence, ...] | None = None
    duration: Seconds | None = None
    speaker: str | None = None
    prompt: str | None = None
    task: str | None = None
    source: str | None = None
    extra: Mapping[str, Any] = field(default_factory=_nothing, hash=False)

    @property
    def is_no_speech(self) -> bool:
        """Whether nothing is said here: a noise or silence example, kept and trained as such."""
        return self.sentence == ""

    @classmethod
    def from_json(cls, value: Any, *, default_id: str) -> Utterance:
        """Read a manifest line.

        Args:
            value: what `json.loads` made of the line.
            default_id: the id of a line that gives none.

        Raises:
            ValueError: saying what was found and what was expected; for one line, without its
                number, which the reader adds.
        """
        if type(value) is not dict:
            raise ValueError(f"the line is {_shown(value)}; expected a JSON object")
        if "audio" not in value:
            raise ValueError(f'"audio" is missing; the line has {_names(value)}')
        get = value.get
        audio = AudioRef.from_json(value["audio"])
        sentence = _sentence(value)
        sentences = get("sentences")
        if sentences is not None:
            sentences = _timed_sentences(sentences, sentence)
        task = get("task")
        if task is not None and task not in TASKS:
            raise ValueError(f'"task" is {_shown(task)}; expected {" or ".join(TASKS)}')
        return cls(
            audio,
            sentence,
            _name(value, "id") or default_id,
            _language(get("language")),
            sentences,
            _time(value, "duration"),
            _name(value, "speaker"),
            _text(value, "prompt"),
            task,
            _text(value, "source"),
            _unknown(value, _FIELDS),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form of this line; what is None is left out, unknown fields are kept."""
        sentences = self.sentences
        known = (
            ("audio", self.audio.to_json()),
            ("sentence", self.sentence),
            ("language", self.language),
            ("sentences", None if sentences is None else [each.to_json() for each in sentences]),
            ("duration", self.duration),
            ("id", self.id),
            ("speaker", self.speaker),
            ("prompt", self.prompt),
            ("task", self.task),
            ("source", self.source),
        )
        return {name: value for name, value in known if value is not None} | dict(self.extra)


# ---------------------------------------------------------------------------------------------
# One field at a time. `type(x) is` instead of isinstance: JSON has no subclasses, but bool is one
# of int, and true is no number.


def _sentence(line: dict[str, Any]) -> str:
    sentence = line.get("sentence")
    if type(sentence) is not str:
        if "sentence" not in line:
            raise ValueError(f'"sentence" is missing; the line has {_names(line)}')
        raise ValueError(f'"sentence" is {_shown(sentence)}; expected text')
    if sentence and not sentence.strip():
        raise ValueError(
            '"sentence" holds only white space; where nothing is said, write "sentence": "" '
            'with "sentences": []'
        )
    return sentence


def _timed_sentences(value: Any, sentence: str) -> tuple[TimedSentence, ...]:
    if type(value) is not list:
        raise ValueError(f'"sentences" is {_shown(value)}; expected a list')
    if value and not sentence:
        raise ValueError(f'"sentence" is empty, but "sentences" has {len(value)}')
    if sentence and not value:
        raise ValueError(
            '"sentences" is [], which says that nothing is spoken, but "sentence" has text; '
            'leave "sentences" out where the times are not known'
        )
    return tuple(
        TimedSentence.from_json(each, f"sentences[{index}]") for index, each in enumerate(value)
    )


def _language(value: Any) -> str | None:
    if value is None:
        return None
    if type(value) is not str:
        raise ValueError(f'"language" is {_shown(value)}; expected a name or code such as "zh"')
    try:
        return language_code(value)
    except UserError as error:
        raise ValueError(f'"language": {error.message}; {error.hint}') from None


def _time(holder: dict[str, Any], name: str, prefix: str = "") -> Seconds | None:
    value = holder.get(name)
    if value is None:
        return None
    if type(value) is not float and type(value) is not int:
        raise ValueError(f'"{prefix}{name}" is {_shown(value)}; expected seconds')
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not 0.0 <= seconds < math.inf:
        raise ValueError(f'"{prefix}{name}" is {seconds:g}; expected seconds of 0 or more')
    return seconds


def _bytes(audio: dict[str, Any], name: str) -> int | None:
    value = audio.get(name)
    if value is None:
        return None
    smallest = 1 if name == "size" else 0
    if type(value) is not int or value < smallest:
        raise ValueError(
            f'"audio.{name}" is {_shown(value)}; expected a number of bytes, {smallest} or more'
        )
    return value


def _name(line: dict[str, Any], name: str) -> str | None:
    """Read an id or a speaker: text, or a whole number, which many tables hold."""
    value = line.get(name)
    if value is None:
        return None
    if type(value) is int:
        return str(value)
    if type(value) is not str or not value:
        raise ValueError(f'"{name}" is {_shown(value)}; expected text')
    return value


def _text(line: dict[str, Any], name: str) -> str | None:
    value = line.get(name)
    if value is not None and type(value) is not str:
        raise ValueError(f'"{name}" is {_shown(value)}; expected text')
    return value


def _unknown(holder: dict[str, Any], known: frozenset[str]) -> Mapping[str, Any]:
    if known.issuperset(holder):
        return _NOTHING
    return {name: value for name, value in holder.items() if name not in known}


def _names(holder: dict[str, Any]) -> str:
    return ", ".join(f'"{name}"' for name in list(holder)[:8]) or "no fields"


def _shown(value: Any) -> str:
    """Show a JSON value in an error: its kind, and as much of it as helps."""
    if value is None:
        return "missing or null"
    kind = {dict: "an object", list: "a list", bool: "true/false", str: "the text"}.get(type(value))
    if kind in ("an object", "a list"):
        return kind
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{kind} {shown}" if kind else f"the number {shown}"
