"""A table (csv, tsv, xlsx) with a row for each utterance.

Column names are chosen with flags. The layouts of Common Voice (`path`, `sentence`, `client_id`;
files in clips/) and of LJSpeech (no header, `id|text|normalized text`; files in wavs/) are told
from the table itself.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from utils.audio.clip import AudioRef, Seconds
from utils.cli.errors import UserError
from utils.manifest.compressed import expect_honest_zip
from utils.manifest.languages import language_code
from utils.manifest.utterance import Utterance
from utils.sources.files import (
    AUDIO_SUFFIXES,
    csv_rows,
    expect_file,
    is_file,
    one_line,
    read_text,
)
from utils.sources.source_data import LeftOut, SourceData, SourceSettings

# Tried in this order where no flag names the column.
COLUMNS = {
    "audio": ("audio", "path", "file", "file_name", "filename", "audio_path", "wav"),
    "text": ("sentence", "text", "transcription", "transcript", "normalized_text"),
    "id": ("id", "utterance_id", "utt_id"),
    "speaker": ("speaker", "speaker_id", "client_id"),
    "language": ("language", "locale", "lang"),
    "start": ("start", "start_time", "begin"),
    "end": ("end", "end_time"),
}
LJSPEECH_COLUMNS = ("id", "transcription", "normalized_text")


@dataclass(frozen=True, kw_only=True)
class TableSettings(SourceSettings):
    """A csv, tsv or xlsx table with a row for each utterance; Common Voice and LJSpeech too."""

    path: str
    """The table; the first sheet of an xlsx file."""
    audio_dir: str | None = None
    """Folder from which the table's audio paths are seen; None: the table's own folder, or clips/
    (Common Voice) or wavs/ (LJSpeech) in it."""
    audio_column: str | None = None
    """Column with the audio's path; None takes the first of audio, path, file, file_name, ..."""
    text_column: str | None = None
    """Column with what is said; None takes the first of sentence, text, transcription, ..."""
    id_column: str | None = None
    """Column with the utterance's id; None takes id or utterance_id, or else the audio's name."""
    speaker_column: str | None = None
    """Column with the speaker; None takes the first of speaker, speaker_id, client_id."""
    language_column: str | None = None
    """Column with the language; None takes the first of language, locale, lang."""
    start_column: str | None = None
    """Column with the second at which a piece of the audio begins."""
    end_column: str | None = None
    """Column with the second at which it ends."""
    delimiter: str | None = None
    """What stands between columns; None: a tab in .tsv, else the likeliest of , ; | and tab."""


class _Table(NamedTuple):
    columns: Sequence[str]
    rows: Sequence[tuple[int, dict[str, Any]]]
    audio_dir: Path
    audio_suffix: str = ""


def gather(settings: TableSettings) -> SourceData:
    """Read a table's rows as utterances.

    Raises:
        UserError: there is no such table, it cannot be read, or it lacks a column that is named
            (those that it has are listed).
    """
    path = Path(settings.path)
    expect_file(path, "a table: csv, tsv or xlsx")
    table = _read(path, settings)
    columns = _columns(path, table.columns, settings)
    utterances, left_out = [], []
    for number, row in table.rows:
        place = f"line {number} of {path.name}"
        try:
            utterance = _utterance(row, columns, table)
        except ValueError as error:
            left_out.append(LeftOut(place, str(error)))
            continue
        if not is_file(utterance.audio.path):
            left_out.append(LeftOut(utterance.id, f"text without audio: {utterance.audio.path}"))
        elif not utterance.sentence:
            left_out.append(LeftOut(utterance.id, f"audio without text: {place}"))
        else:
            utterances.append(utterance)
    return SourceData(utterances, left_out)


def _utterance(row: dict[str, Any], columns: dict[str, str], table: _Table) -> Utterance:
    """Read one row.

    Raises:
        ValueError: a cell that must hold something does not, saying which.
    """

    def cell(field: str) -> str:
        value = row.get(columns.get(field, ""))
        return "" if value is None else str(value).strip()

    name = cell("audio")
    if not name:
        raise ValueError(f"no audio: the column {columns['audio']!r} is empty")
    if "\0" in name:
        raise ValueError(f"no audio: the path {name!r} holds a zero byte")
    name += "" if Path(name).suffix.lower() in AUDIO_SUFFIXES else table.audio_suffix
    start, end = _seconds(cell("start"), "start"), _seconds(cell("end"), "end")
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"times: ends at {end:g} s, begins at {start or 0.0:g} s")
    default_id = Path(name).with_suffix("").as_posix()
    if start is not None:
        default_id += f"-{start:09.3f}"
    return Utterance(
        audio=AudioRef(str(table.audio_dir / name), start, end),
        sentence=one_line(cell("text")),
        id=cell("id") or default_id,
        language=_language(cell("language")),
        speaker=cell("speaker") or None,
    )


def _seconds(text: str, name: str) -> Seconds | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"times: {name} is {text!r}, expected seconds of 0 or more")
    return seconds


def _language(text: str) -> str | None:
    if not text:
        return None
    try:
        return language_code(text)
    except UserError as error:
        raise ValueError(f"unknown language: {error.message}") from None


def _columns(path: Path, present: Sequence[str], settings: TableSettings) -> dict[str, str]:
    """Return the column of each field: as a flag names it, or by its usual name."""
    columns = {}
    for field, usual in COLUMNS.items():
        named = getattr(settings, f"{field}_column")
        if named is not None and named not in present:
            raise _no_column(path, present, f"no column {named!r}", field)
        found = named or next((name for name in usual if name in present), None)
        if found is not None:
            columns[field] = found
        elif field in ("audio", "text"):
            raise _no_column(path, present, f"none of the columns {', '.join(usual)}", field)
    return columns


def _no_column(path: Path, present: Sequence[str], problem: str, field: str) -> UserError:
    return UserError(
        f"{path} has {problem}; it has {', '.join(map(repr, present))}",
        f"choose one with --{field}_column",
    )


# ---------------------------------------------------------------------------------------------
# Reading cells.


def _read(path: Path, settings: TableSettings) -> _Table:
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        rows = _xlsx_rows(path)
    else:
        rows = list(_text_rows(path, settings.delimiter))
    if not rows:
        raise UserError(f"{path} is empty", "expected a line with the columns' names, and rows")
    given_dir = Path(settings.audio_dir) if settings.audio_dir else None
    first = rows[0][1]
    if _is_ljspeech(path, first):
        named = [(n, dict(zip(LJSPEECH_COLUMNS, row, strict=False))) for n, row in rows]
        for _, row in named:
            # The third column spells numbers out, as they are said.
            row["text"], row["audio"] = (
                row.get("normalized_text") or row["transcription"],
                row["id"],
            )
        columns = ("audio", "text", *LJSPEECH_COLUMNS)
        return _Table(columns, named, given_dir or path.parent / "wavs", ".wav")
    header = tuple(str(cell).strip() for cell in first)
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise UserError(f"{path} has the column {repeated[0]!r} twice", "rename one of the two")
    cells = [(number, dict(zip(header, row, strict=False))) for number, row in rows[1:]]
    if given_dir is None:
        is_common_voice = {"client_id", "path", "sentence"} <= set(header)
        clips = path.parent / "clips"
        given_dir = clips if is_common_voice and clips.is_dir() else path.parent
    return _Table(header, cells, given_dir)


def _is_ljspeech(path: Path, first: Sequence[str]) -> bool:
    """Whether the first row is an utterance of a table without a header, as LJSpeech has."""
    return 2 <= len(first) <= len(LJSPEECH_COLUMNS) and is_file(
        path.parent / "wavs" / f"{first[0]}.wav"
    )


def _text_rows(path: Path, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    text = read_text(path)
    delimiter = delimiter or _likely_delimiter(path, text)
    if len(delimiter) != 1:
        raise UserError(f"--delimiter={delimiter} is not one character", "such as , or ;")
    # Common Voice and LJSpeech quote nothing: a quotation mark there is part of the text.
    quoting = csv.QUOTE_NONE if delimiter in "\t|" else csv.QUOTE_MINIMAL
    for number, row in csv_rows(path, text, delimiter=delimiter, quoting=quoting):
        if any(cell.strip() for cell in row):
            yield number, row


def _likely_delimiter(path: Path, text: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = text.split("\n", 1)[0]
    return max("\t|;,", key=lambda mark: (first.count(mark), mark == ","))


def _xlsx_rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        import openpyxl
    except ImportError:
        raise UserError(
            f"{path} needs openpyxl to be read", "pip install openpyxl, or save it as csv"
        ) from None
    from zipfile import BadZipFile

    try:
        expect_honest_zip(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        raise UserError(f"{path} is no xlsx file: {error}", "save it again, or as csv") from None
    try:
        rows = [
            (number, ["" if cell is None else str(cell) for cell in row])
            for number, row in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1)
        ]
    finally:
        book.close()
    return [(number, row) for number, row in rows if any(cell.strip() for cell in row)]
