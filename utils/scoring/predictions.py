"""The hypotheses of a model, one line per utterance; everything that is scored comes from here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson

from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.json_fields import shown

Seconds = float

STATUSES = ("ok", "failed", "missing")
LINES_NAMED = 5
_REQUIRED = ("id", "reference", "hypothesis")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the text and when it is spoken, in seconds from the start of the utterance."""

    start: Seconds
    end: Seconds
    text: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """One utterance: its reference and its hypothesis, both as they came.

    Raises:
        ValueError: The status is not one of `STATUSES`.
    """

    id: str
    reference: str
    hypothesis: str
    language: str | None = None
    """Whisper language code, as stated or as detected."""
    status: str = "ok"
    """"ok"; "failed" where the audio could not be read, "missing" where a file of predictions has
    no line for the utterance; the hypothesis is then empty."""
    audio_seconds: Seconds = 0.0
    work_seconds: Seconds = 0.0
    segments: tuple[Segment, ...] = ()
    speaker: str | None = None
    failure: str | None = None
    """Why it failed, in words."""
    recording: str | None = None
    """The file that it was cut from."""
    source: str | None = None
    """The corpus that it comes from, as the manifest has it."""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status of {self.id} is {self.status!r}, expected one of {STATUSES}")

    def to_json(self) -> dict[str, Any]:
        """Return the object that stands in a predictions file; None fields are left out."""
        value = {name: getattr(self, name) for name in _NAMES}
        value["segments"] = [asdict(segment) for segment in self.segments]
        return {k: v for k, v in value.items() if v is not None or k not in _OPTIONAL}

    @classmethod
    def from_json(cls, value: Any) -> Prediction:
        """Read the object of one line; fields that are not known are passed over.

        Raises:
            ValueError: It is no object, lacks a field, or a field has the wrong type.
        """
        if not isinstance(value, dict):
            raise ValueError(f"expected an object with id, reference and hypothesis, got {value!r}")
        for name in _REQUIRED:
            if not isinstance(value.get(name), str):
                raise ValueError(f"{name!r} should be text, got {value.get(name)!r}")
        segments = value.get("segments")
        times = _read_segments(segments) if segments else ()
        get = value.get
        _expect_types(value)
        # By position, and what stands in many lines only once: a report reads a million of them.
        return cls(
            value["id"],
            value["reference"],
            value["hypothesis"],
            _shared(get("language")),
            _shared(get("status") or "ok"),
            get("audio_seconds") or 0.0,
            get("work_seconds") or 0.0,
            times,
            _shared(get("speaker")),
            get("failure"),
            _shared(get("recording")),
            _shared(get("source")),
        )


_TEXTS = ("language", "status", "speaker", "failure", "recording", "source")
_TIMES = ("audio_seconds", "work_seconds")
# Thirty years of sound; a number beyond is no length.
MOST_SECONDS = 1e9
_OPTIONAL = ("speaker", "failure", "recording", "source")
_NAMES = tuple(each.name for each in fields(Prediction))


def _shared(value: Any) -> Any:
    return sys.intern(value) if type(value) is str else value


def _expect_types(value: dict[str, Any]) -> None:
    """Refuse fields that are there and of another type.

    Raises:
        ValueError: naming the first of them.
    """
    for name in _TEXTS:
        field = value.get(name)
        if field is not None and type(field) is not str:
            raise ValueError(f"{name!r} should be text, got {shown(field)}")
    for name in _TIMES:
        seconds = value.get(name)
        if seconds is not None and not _is_time(seconds):
            raise ValueError(f"{name!r} should be seconds of 0 or more, got {shown(seconds)}")


def _is_time(value: Any) -> bool:
    return (type(value) is float or type(value) is int) and 0 <= value < MOST_SECONDS


def _read_segments(segments: Any) -> tuple[Segment, ...]:
    if type(segments) is not list:
        raise ValueError(f"'segments' should be a list, got {shown(segments)}")
    found = []
    for segment in segments:
        if type(segment) is not dict:
            raise ValueError(f"a segment needs start, end and text, got {shown(segment)}")
        start: Any = segment.get("start")
        end: Any = segment.get("end")
        text = segment.get("text")
        if not (_is_time(start) and _is_time(end) and type(text) is str):
            raise ValueError(f"a segment needs start, end and text, got {segment!r:.80}")
        found.append(Segment(start, end, text))
    return tuple(found)


def to_columns(predictions: Iterable[Prediction]) -> list[list[Any]]:
    """Return one list for each field, which processes exchange many times faster than objects."""
    rows = map(attrgetter(*_NAMES), predictions)
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in _NAMES]


def from_columns(columns: Sequence[Sequence[Any]]) -> Iterator[Prediction]:
    """Return the predictions whose fields stand in lists, as `to_columns` gives them."""
    return map(Prediction, *columns)


def write_predictions(path: str | Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions as JSON lines, whole or not at all.

    Args:
        path: The file; missing folders are made.
        predictions: In the order in which they shall stand.
    """
    with atomic_write(path) as handle:
        for prediction in predictions:
            handle.write(json.dumps(prediction.to_json(), ensure_ascii=False) + "\n")


def _parsed(line: bytes) -> Any:
    """Read a line as JSON.

    Raises:
        ValueError: It is none.
    """
    try:
        return orjson.loads(line)
    except ValueError:
        # Takes what orjson does not: NaN, half a surrogate pair, a byte order mark.
        try:
            return json.loads(line.decode("utf-8-sig"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def read_predictions(path: str | Path, *, need_references: bool = True) -> list[Prediction]:
    """Read a predictions file.

    Args:
        path: A file that `write_predictions` wrote, or another program with the same fields.
        need_references: Whether each line must have its reference; False where the references
            come from a manifest.

    Raises:
        UserError: The file is missing, lines are broken (the first five are named), or an id
            stands in it twice.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such predictions file", "evaluation.py writes them.")
    predictions: list[Prediction] = []
    broken: list[str] = []
    lines: dict[str, tuple[int, int]] = {}  # id -> number of its line, place in the list
    with open(path, "rb") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip():
                continue
            try:
                value = _parsed(line)
                if not need_references and isinstance(value, dict):
                    value.setdefault("reference", "")
                prediction = Prediction.from_json(value)
            except ValueError as error:
                broken.append(f"line {number}: {error}")
                continue
            if prediction.id in lines:
                first = lines[prediction.id]
                other = predictions[first[1]].reference
                twice = "" if other == prediction.reference else ", with another reference"
                raise UserError(
                    f"{path}, line {number}: id {prediction.id!r} stands in line {first[0]} "
                    f"already{twice}",
                    "Each utterance may be scored once; remove one of the two.",
                )
            lines[prediction.id] = number, len(predictions)
            predictions.append(prediction)
    if broken:
        more = f"; and {len(broken) - LINES_NAMED} more" if len(broken) > LINES_NAMED else ""
        raise UserError(
            f"{path}, {'; '.join(broken[:LINES_NAMED])}{more}",
            "Fix or remove " + ("it." if len(broken) == 1 else "them."),
        )
    return predictions
