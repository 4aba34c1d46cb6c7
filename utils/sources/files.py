"""Files that a source is made of: audio by its suffix, texts in UTF-8, names for utterances."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.sources.text.encodings import decode

AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("wav", "wave", "flac", "aif", "aiff", "aifc", "au", "snd", "caf", "w64", "rf64"),
        *("sph", "nist", "vox", "voc", "gsm", "wv", "ape", "tta", "dts", "eac3"),
        *("mp3", "mp2", "mpga", "ogg", "oga", "opus", "spx", "aac", "ac3", "amr", "awb", "wma"),
        *("m4a", "m4b", "mp4", "mov", "mkv", "mka", "webm", "3gp", "3g2", "avi", "flv", "ts"),
        *("mpg", "mpeg", "wmv", "ogv", "m4v"),
    )
)


def expect_folder(path: Path, what: str) -> None:
    """Refuse what is no folder.

    Raises:
        UserError: saying what `what` should have been there.
    """
    if not path.is_dir():
        problem = "is a file, not a folder" if path.exists() else "does not exist"
        raise UserError(f"{path} {problem}", f"--path names {what}")


def expect_file(path: Path, what: str) -> None:
    """Refuse what is no file.

    Raises:
        UserError: saying what `what` should have been there.
    """
    if not path.is_file():
        problem = "is a folder, not a file" if path.exists() else "does not exist"
        raise UserError(f"{path} {problem}", f"expected {what}")


def expect_own_file(utterance: Utterance, what: str) -> None:
    """Refuse an utterance whose sound lies inside a tar, which other programs name in other ways.

    Raises:
        UserError: saying what cannot name it.
    """
    if utterance.audio.offset is not None:
        raise UserError(
            f"{utterance.id} lies inside the tar {utterance.audio.path}, which {what} can name",
            "unpack the tar first",
        )


def audio_files(folder: Path) -> list[Path]:
    """Return the audio files below a folder, in the order of their names; hidden ones left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and not is_hidden(path, folder) and path.is_file()
    )


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a name below `folder` begins with a dot, as those do that macOS leaves behind."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def read_text(path: Path, encoding: str | None = None) -> str:
    """Read a text file, with or without a byte order mark.

    Args:
        path: the file.
        encoding: as the user names it; None is UTF-8, or what the mark says.

    Raises:
        UserError: it is in another encoding, which is proposed where it can be told.
    """
    return decode(path.read_bytes(), str(path), encoding)


def table_lines(path: Path, encoding: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield (line number, line) of a text file, blank lines left out."""
    for number, line in enumerate(read_text(path, encoding).split("\n"), start=1):
        if line.strip():
            yield number, line


def csv_rows(path: Path, text: str, **form: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each row of a csv file's text.

    Args:
        path: what to call it in errors.
        text: its content.
        form: of `csv.reader`.

    Raises:
        UserError: it is no such file.
    """
    csv.field_size_limit(len(text) + 1)  # a cell may be as long as it likes
    # Lines end at "\n" alone: a cell may hold U+2028 and the like.
    reader = csv.reader((f"{line}\n" for line in text.split("\n")), **form)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise UserError(
            f"{path}, line {reader.line_num}: {error}", "correct the file, or save it as tsv"
        ) from None


def is_file(path: str | Path) -> bool:
    """Whether a path leads to a file; one that no system can open leads nowhere."""
    return os.path.isfile(path)


def one_line(text: str) -> str:
    """Return text with every run of white space as one space.

    >>> one_line("  two   words ")
    'two words'
    """
    return " ".join(text.split())


def channel_number(text: str | int) -> int:
    """Return the number of a channel from 0: corpora write 0 and 1, or A and B.

    Raises:
        ValueError: it is neither a number from 0 nor a letter.

    >>> channel_number("B")
    1
    """
    name = str(text).strip()
    if len(name) == 1 and name.upper() in "ABCDEFGH":
        return "ABCDEFGH".index(name.upper())
    if not (name.isascii() and name.isdigit()):
        raise ValueError(f"{name!r} is no channel")
    return int(name)


def speaker_of(name: str, pattern: str | None) -> str | None:
    """Return what the first group of a pattern finds in a file's name, None where it finds none.

    Raises:
        UserError: the pattern is no regular expression with one group.
    """
    return None if pattern is None else found_by_pattern(name, "speaker_pattern", pattern)


def found_by_pattern(name: str, flag: str, pattern: str) -> str | None:
    """Return what the group of a pattern finds in a file's name, None where it finds nothing.

    Args:
        name: the file's path below its folder.
        flag: that gives the pattern.
        pattern: a regular expression with one group.

    Raises:
        UserError: the pattern is none.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"--{flag}={pattern} is no regular expression: {error}",
            "'^([^/]+)/' takes the first folder, '^(\\w+?)_' what stands before the first _",
        ) from None
    if expression.groups != 1:
        raise UserError(
            f"--{flag}={pattern} has {expression.groups} groups, expected one",
            "the group is what is taken: '^([^/]+)/' takes the first folder",
        )
    found = expression.search(name)
    return found[1] if found else None
