"""A table (csv, tsv, xlsx) with a row for each utterance.

Column names are chosen with flags, or found by their usual names. The layouts of Common Voice
(`path`, `sentence`, `client_id`; files in clips/) and of LJSpeech (no header,
`id|text|normalized text`; files in wavs/) are recognised from the table itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from utils.audio.clip import AudioRef, Seconds
from utils.cli.errors import UserError
from utils.manifest.languages import LANGUAGES, language_code
from utils.manifest.utterance import Utterance
from utils.sources.audio.paths import AudioFinder, better_folder
from utils.sources.files import channel_number, expect_file, is_file, one_line
from utils.sources.parts import joined_parts, part_named
from utils.sources.source_data import LeftOut, SourceData, SourceSettings
from utils.sources.tables.cells import WORKBOOKS, Row, text_rows, xlsx_rows
from utils.sources.tables.columns import COLUMNS, choose_columns, header_row, names_by_content
from utils.sources.text.cues import clock_of

LJSPEECH_COLUMNS = ("id", "transcription", "normalized_text")
_TIMES = ("start", "end", "duration", "start_ms", "end_ms", "duration_ms")
# Where fewer of the files are found, the folder is likely the wrong one.
_FOUND_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class TableSettings(SourceSettings):
    """A csv, tsv or xlsx table with a row for each utterance; Common Voice and LJSpeech too."""

    path: tuple[str, ...]
    """The table, several separated by commas (train.csv,dev.csv), or a folder with train, dev and
    test, as Common Voice is unpacked."""
    audio_dir: str | None = None
    """Folder that the table's audio paths are relative to. None: the table's own folder, or clips/
    (Common Voice) or wavs/ (LJSpeech) in it."""
    audio_column: str | None = None
    """Column with the audio's path. None takes the first of audio, path, file, file_name, ..."""
    text_column: str | None = None
    """Column with the transcript. None takes the first of sentence, text, transcription, ..."""
    id_column: str | None = None
    """Column with the utterance's id. None takes id or utterance_id, else the audio's name."""
    speaker_column: str | None = None
    """Column with the speaker. None takes the first of speaker, speaker_id, client_id."""
    language_column: str | None = None
    """Column with the language. None takes the first of language, locale, lang."""
    start_column: str | None = None
    """Column with the start of the utterance in its recording, in seconds."""
    end_column: str | None = None
    """Column with its end, in seconds."""
    channel_column: str | None = None
    """Column with the audio channel to use: 0 or 1, A or B. None takes channel."""
    delimiter: str | None = None
    """What separates columns. None: a tab in .tsv, else the likeliest of , ; | and tab."""
    sheet: str | None = None
    """Sheet of an xlsx file, by name or by number, counted from 1. None: the first."""
    encoding: str | None = None
    """Encoding of a csv or tsv file, such as gbk, shift_jis, cp1252 or utf-16. None: UTF-8, or what
    the BOM says."""


class _Table(NamedTuple):
    columns: Sequence[str]
    rows: Sequence[tuple[int, list[str]]]
    audio_dir: Path
    audio_suffix: str = ""
    notes: Sequence[str] = ()


@dataclass
class _Languages:
    """Languages of cells; one that Whisper lacks is taken for that of --language, if given."""

    stand_in: str | None
    counts: Counter[str] = field(default_factory=Counter)

    def of(self, text: str) -> str | None:
        if not text:
            return None
        try:
            return language_code(text)
        except UserError as error:
            if self.stand_in is None:
                advice = "--language names one to stand in for it"
                raise ValueError(f"unknown language: {error.message}; {advice}") from None
            self.counts[text] += 1
            return self.stand_in

    def told(self) -> list[str]:
        name = LANGUAGES.get(self.stand_in or "", "").title()
        return [
            f"{many} rows in {each!r}, which Whisper has no token for, are taken as {name}"
            for each, many in self.counts.most_common()
        ]


def gather(settings: TableSettings) -> SourceData:
    """Read a table's rows as utterances.

    Raises:
        UserError: there is no such table, it cannot be read, or it lacks a column that is named
            (those that it has are listed); or none of its files is where it should be.
    """
    tables: list[Path] = []
    for path in map(Path, settings.path):
        if not path.is_dir():
            expect_file(path, "a table: csv, tsv or xlsx")
        tables += _tables_of(path) if path.is_dir() else [path]
    if len(tables) == 1 and not Path(settings.path[0]).is_dir():
        return _gather(tables[0], settings)
    stems = [each.stem for each in tables]
    names = [
        each.stem if stems.count(each.stem) == 1 else each.with_suffix("").as_posix()
        for each in tables
    ]
    return joined_parts(
        (name, _gather(each, settings)) for name, each in zip(names, tables, strict=True)
    )


def _tables_of(folder: Path) -> list[Path]:
    """Return the tables of a corpus folder that are its train, dev and test parts.

    Common Voice has more beside them (validated, invalidated, other), which hold the same clips.

    Raises:
        UserError: it has none.
    """
    endings = (".tsv", ".csv", *WORKBOOKS)
    tables = [each for each in sorted(folder.iterdir()) if each.suffix.lower() in endings]
    parts = {part_named(each.stem): each for each in tables if part_named(each.stem)}
    if not parts:
        names = ", ".join(each.name for each in tables) or "no table"
        raise UserError(
            f"{folder} is a folder; it has {names}",
            "name one table with --path; a folder is read where it has train, dev and test",
        )
    return list(parts.values())


def _gather(path: Path, settings: TableSettings) -> SourceData:
    table = _read(path, settings)
    named = _named(settings)
    columns = choose_columns(path, table.columns, named)
    finder = AudioFinder(table.audio_dir, table.audio_suffix)
    languages = _Languages(settings.language_code)
    utterances: list[Utterance] = []
    left_out: list[LeftOut] = []
    missing: list[str] = []
    for number, cells in table.rows:
        place = f"line {number} of {path.name}"
        row = dict(zip(table.columns, cells, strict=False))
        try:
            _expect_width(cells, table.columns)
            utterance = _utterance(row, columns, languages)
        except ValueError as error:
            left_out.append(LeftOut(place, str(error)))
            continue
        found = finder.find(utterance.audio.path)
        if found is None:
            missing.append(utterance.audio.path)
            where = table.audio_dir / utterance.audio.path
            left_out.append(LeftOut(utterance.id, f"text without audio: {where}"))
        elif not utterance.sentence:
            left_out.append(LeftOut(utterance.id, f"audio without text: {place}"))
        else:
            utterances.append(_with_path(utterance, found))
    notes = [*table.notes, *finder.told(), *languages.told()]
    notes += _proposal(path, table.audio_dir, missing, len(table.rows))
    return SourceData(utterances, left_out, notes=notes)


def _named(settings: TableSettings) -> dict[str, str | None]:
    """Return the column that a flag names for each field, None where none does."""
    return {each: getattr(settings, f"{each}_column", None) for each in COLUMNS}


def _with_path(utterance: Utterance, path: Path) -> Utterance:
    return replace(utterance, audio=replace(utterance.audio, path=str(path)))


def _proposal(path: Path, audio_dir: Path, missing: Sequence[str], rows: int) -> list[str]:
    """Propose another folder where most files are missing.

    Raises:
        UserError: all are missing, and another folder has them.
    """
    if len(missing) <= (1 - _FOUND_SHARE) * rows:
        return []
    better = better_folder(path.parent, missing)
    if better is None:
        return []
    folder, count = better
    found = f"{rows - len(missing)} of {rows} audio files are there"
    advice = f"--audio_dir={folder} would find {count} more"
    if len(missing) == rows:
        raise UserError(f"{path}: relative to {audio_dir}, {found}", advice)
    return [f"{found}; {advice}"]


def _expect_width(cells: Sequence[str], columns: Sequence[str]) -> None:
    more = [cell for cell in cells[len(columns) :] if cell.strip()]
    if more:
        raise ValueError(
            f"columns: {len(columns)} are named, the row has {len(cells)}; a text with the "
            f"delimiter in it must be quoted"
        )


def _utterance(
    row: Mapping[str, str], columns: Mapping[str, str], languages: _Languages
) -> Utterance:
    """Read one row; the audio's path is still as the table has it.

    Raises:
        ValueError: a cell that must hold something does not, saying which.
    """

    def cell(field: str) -> str:
        return row.get(columns[field], "").strip() if field in columns else ""

    name = cell("audio")
    if not name:
        raise ValueError(f"no audio: the column {columns['audio']!r} is empty")
    if "\0" in name:
        raise ValueError(f"no audio: the path {name!r} holds a zero byte")
    start, end = _times({each: cell(each) for each in _TIMES})
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"times: ends at {end:g} s, begins at {start or 0.0:g} s")
    default_id = PureWindowsPath(name).with_suffix("").as_posix()
    if start is not None:
        default_id += f"-{start:09.3f}"
    try:
        channel = channel_number(cell("channel")) if cell("channel") else None
    except ValueError as error:
        raise ValueError(f"channel: {error}") from None
    if channel is not None:
        default_id += f"-ch{channel}"
    return Utterance(
        audio=AudioRef(name, start, end, channel=channel),
        sentence=one_line(cell("text")),
        id=cell("id") or default_id,
        language=languages.of(cell("language")),
        speaker=cell("speaker") or None,
    )


def _times(cells: Mapping[str, str]) -> tuple[Seconds | None, Seconds | None]:
    """Read start and end, in seconds or milliseconds; a duration gives the end of a start."""

    def seconds(name: str) -> Seconds | None:
        thousandths = _seconds(cells[f"{name}_ms"], f"{name}_ms")
        return _seconds(cells[name], name) if thousandths is None else thousandths / 1000

    start, end = seconds("start"), seconds("end")
    if start is None or end is not None:
        return start, end
    duration = seconds("duration")
    return start, None if duration is None else round(start + duration, 6)


def _seconds(text: str, name: str) -> Seconds | None:
    """Read seconds, with a point or a comma, or a time such as 0:01:02.5."""
    if not text:
        return None
    clock = clock_of(text) if ":" in text else None
    try:
        seconds = float(text.replace(",", ".")) if clock is None else clock
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"times: {name} is {text!r}, expected seconds of 0 or more")
    return seconds


# ---------------------------------------------------------------------------------------------
# Where the header is, and the audio.


def _read(path: Path, settings: TableSettings) -> _Table:
    if path.suffix.lower() in WORKBOOKS:
        rows = xlsx_rows(path, settings.sheet)
    else:
        rows = text_rows(path, settings.delimiter, settings.encoding)
    if not rows:
        raise UserError(f"{path} is empty", "expected a line with the columns' names, and rows")
    given_dir = Path(settings.audio_dir) if settings.audio_dir else None
    if _is_ljspeech(path, rows[0][1]):
        return _ljspeech(path, rows, given_dir)
    named = _named(settings)
    first = header_row(rows, named)
    guessed = names_by_content(rows) if first is None else None
    if guessed is not None:
        notes = [f"{path} has no header: column {guessed.index('audio') + 1} is taken as audio, "]
        notes[0] += f"column {guessed.index('text') + 1} as text"
        return _Table(guessed, rows, given_dir or path.parent, notes=notes)
    notes = [f"{path}: {first} rows above the header are left out"] if first else []
    first = first or 0
    header = tuple(cell.strip() for cell in rows[first][1])
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise UserError(f"{path} has the column {repeated[0]!r} twice", "rename one of the two")
    if given_dir is None:
        is_common_voice = {"client_id", "path", "sentence"} <= set(header)
        clips = path.parent / "clips"
        given_dir = clips if is_common_voice and clips.is_dir() else path.parent
    return _Table(header, rows[first + 1 :], given_dir, notes=notes)


def _ljspeech(path: Path, rows: Sequence[Row], given_dir: Path | None) -> _Table:
    # The third column spells numbers out, as they are said.
    named = [(number, [row[0], (row[2:3] or [""])[0] or row[1]]) for number, row in rows]
    return _Table(("audio", "text"), named, given_dir or path.parent / "wavs", ".wav")


def _is_ljspeech(path: Path, first: Sequence[str]) -> bool:
    """Whether the first row is an utterance of a table without a header, as LJSpeech has."""
    return 2 <= len(first) <= len(LJSPEECH_COLUMNS) and is_file(
        path.parent / "wavs" / f"{first[0]}.wav"
    )
