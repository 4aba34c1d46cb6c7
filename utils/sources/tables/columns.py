"""Which column of a table is which: by a flag, by its usual name, or by what it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath

from utils.cli.errors import UserError
from utils.sources.files import AUDIO_SUFFIXES
from utils.sources.tables.cells import Row

# Tried in this order where no flag names the column.
COLUMNS = {
    "audio": (
        *("audio", "path", "file", "file_name", "filename", "audio_path", "wav"),
        *("audio_file", "audio_filepath", "file_path", "wav_path", "wav_file", "clip", "recording"),
        *("wav_filename", "audio_filename", "audio_url", "sound"),
    ),
    "text": (
        *("sentence", "text", "transcription", "transcript", "normalized_text"),
        *("utterance_text", "raw_transcription", "normalized_transcription", "raw_text"),
        *("utterance", "label", "target"),
    ),
    "id": ("id", "utterance_id", "utt_id"),
    "speaker": ("speaker", "speaker_id", "client_id", "speaker_name", "spk", "spk_id", "user_id"),
    "language": ("language", "locale", "lang", "language_code"),
    "start": (
        *("start", "start_time", "begin", "begin_time", "offset", "onset", "segment_start"),
        *("start_s", "start_sec", "start_seconds", "audio_start", "clip_start"),
    ),
    "end": (
        *("end", "end_time", "stop", "stop_time", "segment_end"),
        *("end_s", "end_sec", "end_seconds", "audio_end", "clip_end"),
    ),
    "channel": ("channel",),
    # Only beside a start without an end; by itself it is mostly the file's own length.
    "duration": ("duration", "length", "dur", "duration_s", "duration_sec"),
    "start_ms": ("start_ms", "start_time_ms", "begin_ms", "offset_ms", "start_msec"),
    "end_ms": ("end_ms", "end_time_ms", "stop_ms", "end_msec"),
    "duration_ms": ("duration_ms", "length_ms", "dur_ms"),
}
# A header stands so far down at most, below a title.
_TITLE_ROWS = 10


def plain(name: str) -> str:
    """Return a column's name without case, spaces, underscores and hyphens.

    >>> plain(" File_Name ") == plain("fileName")
    True
    """
    return re.sub(r"[\s_\-.]+", "", name.strip().lstrip("\ufeff")).casefold()


def find_column(present: Sequence[str], name: str) -> str | None:
    """Return the column of a name: written so, or else the only one that differs in form alone."""
    if name in present:
        return name
    alike = [each for each in present if each and plain(each) == plain(name)]
    return alike[0] if len(alike) == 1 else None


def choose_columns(
    path: Path, present: Sequence[str], named: Mapping[str, str | None]
) -> dict[str, str]:
    """Return the column of each field that has one.

    Args:
        path: the table, for errors.
        present: the names of its columns; one without a name is no field.
        named: by field, the column that a flag names.

    Raises:
        UserError: a column that is named or needed is not there.
    """
    columns: dict[str, str] = {}
    for field, usual in COLUMNS.items():
        flag = named.get(field)
        found = None if flag is None else find_column(present, flag)
        if flag is not None and found is None:
            raise _no_column(path, present, f"no column {flag!r}", field)
        known = (find_column(present, name) for name in usual)
        found = found or next((each for each in known if each is not None), None)
        if found is not None:
            columns[field] = found
        elif field in ("audio", "text"):
            raise _no_column(path, present, f"none of the columns {', '.join(usual[:7])}", field)
    return columns


def header_row(rows: Sequence[Row], named: Mapping[str, str | None]) -> int | None:
    """Return which row names the columns, below a title perhaps; None where none does."""
    needed = {field: named.get(field) for field in ("audio", "text")}
    for number, (_, row) in enumerate(rows[:_TITLE_ROWS]):
        cells = [cell.strip() for cell in row]
        usual = (COLUMNS[field] if name is None else (name,) for field, name in needed.items())
        if all(any(find_column(cells, each) for each in names) for names in usual):
            return number
    return None


def names_by_content(rows: Sequence[Row]) -> list[str] | None:
    """Name the columns of a table without a header by what they hold: the audio, and the text.

    Returns:
        Names, of which those of other columns are their numbers from 1; None where the first row
        names no audio file, so that it may be a header.
    """
    some = [row for _, row in rows[:50]]
    width = max(map(len, some))
    columns = [[row[i].strip() if i < len(row) else "" for row in some] for i in range(width)]
    audio = [number for number, cells in enumerate(columns) if all(map(_is_audio, cells))]
    if not audio or width < 2:
        return None
    names = [str(number + 1) for number in range(width)]
    names[audio[0]] = "audio"
    others = [number for number in range(width) if number != audio[0]]
    letters = {
        number: sum(sum(map(str.isalpha, cell)) for cell in columns[number]) for number in others
    }
    names[max(others, key=lambda each: letters[each])] = "text"
    return names


def _is_audio(cell: str) -> bool:
    return PureWindowsPath(cell).suffix.lower() in AUDIO_SUFFIXES


def _no_column(path: Path, present: Sequence[str], problem: str, field: str) -> UserError:
    return UserError(
        f"{path} has {problem}; it has {', '.join(map(repr, present))}",
        f"choose one with --{field}_column",
    )
