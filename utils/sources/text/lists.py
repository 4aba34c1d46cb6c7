"""Texts that are not beside their recordings: lists of names and texts, and folders of their own.

LibriSpeech has `19-198.trans.txt` in each folder (`19-198-0000 NORTHANGER ABBEY`), MLS one
`transcripts.txt` for all, JSUT `name:text`, CSS10 `path|text|normalized|seconds`; others keep
wav/a.wav and txt/a.txt.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PureWindowsPath

from utils.cli.errors import UserError
from utils.sources.files import AUDIO_SUFFIXES, one_line, read_text

ENDINGS = (".txt", ".tsv", ".csv", ".lst", ".list", ".text", ".trans", ".trn")
_SEPARATORS = ("\t", "|", ":", " ")
_LARGEST = 1 << 28  # bytes
# Of the lines of a list so many begin with the name of a recording.
_SHARE = 0.5


def texts_of_lists(
    audio: Sequence[Path], texts: Iterable[Path], encoding: str | None
) -> tuple[dict[Path, str], list[str]]:
    """Return the text of each recording that a list, or a file in another folder, has.

    Args:
        audio: the recordings.
        texts: files that may hold texts.
        encoding: of these, as the user names it.

    Returns:
        By recording, and the names in lists that no recording has. A name that several have is that
        of the one beside its list.
    """
    known: dict[str, list[Path]] = defaultdict(list)
    for path in audio:
        known[_key(path.stem)].append(path)
    found: dict[Path, str] = {}
    missing: list[str] = []
    for file in texts:
        if file.suffix.lower() not in ENDINGS or file.stat().st_size > _LARGEST:
            continue
        try:
            content = read_text(file, encoding)
        except UserError:
            if encoding is None:
                raise
            continue
        own = known.get(_key(file.stem), [])
        if len(own) == 1 and file.suffix.lower() == ".txt":
            found.setdefault(own[0], one_line(content))
            continue
        listed, lost = _listed(content, file.parent, known)
        missing += lost
        for path, text in listed.items():
            found.setdefault(path, text)
    return found, missing


def _listed(
    content: str, folder: Path, known: Mapping[str, Sequence[Path]]
) -> tuple[dict[Path, str], list[str]]:
    lines = [line for line in content.split("\n") if line.strip()]
    best: tuple[dict[Path, str], list[str]] = ({}, [])
    for separator in _SEPARATORS:
        rows = [line.strip().split(separator) for line in lines]
        places = [_recording(row[0], folder, known) for row in rows]
        if sum(place is not None for place in places) < _SHARE * len(lines):
            continue
        column = _text_column(rows) if separator in "\t|" else None
        pairs = {
            place: one_line(separator.join(row[1:]) if column is None else _cell(row, column))
            for place, row in zip(places, rows, strict=True)
            if place is not None
        }
        if len(pairs) > len(best[0]):
            lost = [row[0] for row, place in zip(rows, places, strict=True) if place is None]
            best = (pairs, lost)
    return best


def _text_column(rows: Sequence[Sequence[str]]) -> int:
    """Return the column after the first that has the most letters, the last of several alike."""
    width = max(map(len, rows))
    letters = [sum(sum(map(str.isalpha, _cell(row, n))) for row in rows) for n in range(width)]
    return max(range(1, max(width, 2)), key=lambda n: (letters[n] if n < width else 0, n))


def _cell(row: Sequence[str], column: int) -> str:
    return row[column] if column < len(row) else ""


def _recording(name: str, folder: Path, known: Mapping[str, Sequence[Path]]) -> Path | None:
    path = PureWindowsPath(name.strip())
    stem = path.stem if path.suffix.lower() in AUDIO_SUFFIXES else path.name
    candidates = known.get(_key(stem), [])
    if len(candidates) > 1:
        beside = [each for each in candidates if each.parent == folder]
        candidates = beside or [each for each in candidates if each.is_relative_to(folder)]
    return candidates[0] if len(candidates) == 1 else None


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name)
