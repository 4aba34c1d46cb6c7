"""Corrections of manifest lines, as the page of report.py exports them.

A line of the file: {"id", "was", and what is put right: "sentence", "language", "drop"; "manifest"
names the file that held it}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.manifest.json_lines import BOM, Unreadable, parse_line
from utils.manifest.languages import language_code
from utils.manifest.utterance import Utterance

_SHOWN = 3
_TEXTS = ("id", "was", "manifest", "sentence", "language")


@dataclass(frozen=True)
class Correction:
    """What is put right about one utterance.

    Attributes:
        id: Of the utterance.
        was: Its sentence when it was corrected; None if that is not known.
        sentence: The right text, None where it stays.
        language: The right language's code, None where it stays.
        drop: Whether the utterance is left out.
    """

    id: str
    was: str | None = None
    sentence: str | None = None
    language: str | None = None
    drop: bool = False


def read_corrections(path: str) -> list[Correction]:
    """Read a file of corrections.

    Raises:
        UserError: It is missing, or a line is no correction; the line is named.
    """
    if not Path(path).is_file():
        raise UserError(
            f"--corrections={path}: no such file",
            "Export corrections from the page of report.py or check_data.py.",
        )
    found = []
    for number, line in enumerate(Path(path).read_bytes().removeprefix(BOM).split(b"\n"), 1):
        if not line.strip():
            continue
        value = parse_line(line)
        try:
            if isinstance(value, Unreadable):
                raise value.error
            found.append(_correction(value))
        except ValueError as error:
            raise UserError(
                f"{path}, line {number}: {error}",
                'A line is an object such as {"id": "a1", "sentence": "the right text"}.',
            ) from error
    twice = [id for id, times in Counter(each.id for each in found).items() if times > 1]
    if twice:
        raise UserError(f"{path}: {twice[0]} is corrected twice", "Keep one line for it.")
    return found


def _correction(value: Any) -> Correction:
    """Read one line's value.

    Raises:
        ValueError: It is no object, or a field is missing or of another type.
    """
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    for name in _TEXTS:
        if not isinstance(value.get(name, ""), str):
            raise ValueError(f"{name!r} should be text, got {value[name]!r}")
    if not value.get("id"):
        raise ValueError("'id' is missing")
    if not isinstance(value.get("drop", False), bool):
        raise ValueError(f"'drop' should be true or false, got {value['drop']!r}")
    unknown = sorted(set(value) - {*_TEXTS, "drop"})
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}")
    try:
        language = language_code(value["language"]) if value.get("language") else None
    except UserError as error:
        raise ValueError(error.message) from error
    return Correction(
        value["id"],
        value.get("was"),
        value.get("sentence"),
        language,
        value.get("drop", False),
    )


def correct(
    utterances: Sequence[Utterance], corrections: Sequence[Correction], path: str
) -> list[Utterance]:
    """Apply corrections.

    A corrected text loses its sentences' times, which are of the old text.

    Args:
        utterances: As the manifests have them.
        corrections: As `read_corrections` returns them.
        path: Of the corrections, for messages.

    Raises:
        UserError: An id is unknown or stands in several lines, or a line has been changed since.
    """
    wanted = {each.id: each for each in corrections}
    times = Counter(each.id for each in utterances if each.id in wanted)
    missing = [id for id in wanted if not times[id]]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise UserError(
            f"{path} corrects {', '.join(missing[:_SHOWN])}{more}: the manifest has no such line",
            "Give the manifest that was evaluated or checked.",
        )
    double = [id for id in wanted if times[id] > 1]
    if double:
        raise UserError(
            f"{path} corrects {double[0]}, which stands in {times[double[0]]} lines",
            "Give one manifest, or make its ids unique.",
        )
    return list(_corrected(utterances, wanted, path))


def _corrected(
    utterances: Sequence[Utterance], wanted: dict[str, Correction], path: str
) -> Iterator[Utterance]:
    for each in utterances:
        correction = wanted.get(each.id or "")
        if correction is None:
            yield each
            continue
        if correction.was is not None and correction.was.strip() != each.sentence.strip():
            raise UserError(
                f"{path} corrects {each.id}, whose text has been changed since",
                f"It was {correction.was!r} and is {each.sentence!r}. Correct it again.",
            )
        if correction.drop:
            continue
        if correction.sentence is not None:
            # Silence has no sentences; a text without times has none that are known.
            times = None if correction.sentence else ()
            each = replace(each, sentence=correction.sentence, sentences=times)
        if correction.language is not None:
            each = replace(each, language=correction.language)
        yield each
