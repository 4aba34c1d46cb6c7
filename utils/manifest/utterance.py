"""One utterance: a piece of audio, what is said in it, and what is known about it.

A manifest holds one JSON object a line; `Utterance.from_json` is the only place that says what such
an object must look like (`manifest.schema.json` says the same for other programs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.audio.clip import AudioRef, Seconds, TimedSentence
from utils.cli.errors import UserError
from utils.cli.json_fields import (
    field_names,
    name_field,
    nothing,
    seconds_field,
    shown,
    text_field,
    unknown_fields,
)
from utils.manifest.joining import join_sentences
from utils.manifest.languages import language_code
from utils.manifest.spelled_times import spelled_times

TASKS = ("transcribe", "translate")

_FIELDS = frozenset(
    {
        *("audio", "sentence", "id", "language", "sentences"),
        *("duration", "speaker", "prompt", "task", "source"),
    }
)


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
    extra: Mapping[str, Any] = field(default_factory=nothing, hash=False)

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
            raise ValueError(f"the line is {shown(value)}; expected a JSON object")
        if "audio" not in value:
            raise ValueError(f'"audio" is missing; the line has {field_names(value)}')
        get = value.get
        audio = AudioRef.from_json(value["audio"])
        sentences = get("sentences")
        if "sentence" in value or type(sentences) is not list:
            sentence = _sentence(value)
        else:  # the sentences are the text
            timed = _timed_sentences(sentences, "" if not sentences else " ")
            sentence = join_sentences(each.text for each in timed)
        if sentences is not None:
            sentences = _timed_sentences(sentences, sentence)
        elif "<|" in sentence:
            sentences = spelled_times(sentence)
            sentence = join_sentences(each.text for each in sentences) if sentences else sentence
        task = get("task")
        if task is not None and task not in TASKS:
            raise ValueError(f'"task" is {shown(task)}; expected {" or ".join(TASKS)}')
        return cls(
            audio,
            sentence,
            name_field(value, "id") or default_id,
            _language(get("language")),
            sentences,
            seconds_field(value, "duration"),
            name_field(value, "speaker"),
            text_field(value, "prompt"),
            task,
            text_field(value, "source"),
            unknown_fields(value, _FIELDS),
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
            raise ValueError(f'"sentence" is missing; the line has {field_names(line)}')
        raise ValueError(f'"sentence" is {shown(sentence)}; expected text')
    if sentence and not sentence.strip():
        raise ValueError(
            '"sentence" holds only white space; where nothing is said, write "sentence": "" '
            'with "sentences": []'
        )
    return sentence


def _timed_sentences(value: Any, sentence: str) -> tuple[TimedSentence, ...]:
    if type(value) is not list:
        raise ValueError(f'"sentences" is {shown(value)}; expected a list')
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
        raise ValueError(f'"language" is {shown(value)}; expected a name or code such as "zh"')
    try:
        return language_code(value)
    except UserError as error:
        raise ValueError(f'"language": {error.message}; {error.hint}') from None
