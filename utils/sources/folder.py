"""A folder of recordings with a text beside each, or with a metadata file for all.

Either every `a/b.wav` has its text in `a/b.txt`; or, as in the audiofolder form of Hugging Face
datasets, `metadata.csv`, `metadata.tsv` or `metadata.jsonl` names files and texts. Metadata may
stand in the folder itself or in folders below it, each for the files below that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.sources.files import (
    audio_files,
    csv_rows,
    expect_folder,
    is_hidden,
    one_line,
    read_text,
    speaker_of,
    table_lines,
)
from utils.sources.source_data import LeftOut, SourceData, SourceSettings

METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl")
TEXT_FIELDS = ("sentence", "transcription", "text", "transcript")
SPEAKER_FIELDS = ("speaker", "speaker_id", "client_id")


@dataclass(frozen=True, kw_only=True)
class FolderSettings(SourceSettings):
    """Recordings with a .txt beside each, or with metadata.csv or metadata.jsonl."""

    path: str
    """The folder; everything below it is looked at, nothing is changed."""
    speaker_pattern: str | None = None
    """Regular expression whose one group is the speaker, searched in each file's path below the
    folder: '^([^/]+)/' is the first folder."""


def gather(settings: FolderSettings) -> SourceData:
    """Pair the audio files of a folder with their texts.

    Raises:
        UserError: there is no such folder, it holds no audio, or a metadata file is broken.
    """
    folder = Path(settings.path)
    expect_folder(folder, "the folder with the recordings")
    audio = audio_files(folder)
    if not audio:
        raise UserError(f"{folder} holds no audio file", "give a folder with wav, flac, mp3, ...")
    # Two files of one stem (a.wav, a.mp3) need names of their own.
    stems = [path.relative_to(folder).with_suffix("").as_posix() for path in audio]
    twins = (
        {stem for stem in stems if stems.count(stem) > 1} if len(set(stems)) < len(stems) else set()
    )
    metadata = [path for name in METADATA for path in sorted(folder.rglob(name))]
    metadata = [path for path in metadata if not is_hidden(path, folder)]
    texts, left_out = _metadata_texts(metadata) if metadata else _texts_beside(folder, audio)
    utterances = []
    for path, stem in zip(audio, stems, strict=True):
        name = path.relative_to(folder).as_posix()
        fields = texts.pop(path, None)
        if fields is None:
            left_out.append(LeftOut(name, "audio without text"))
        elif not fields["sentence"]:
            left_out.append(LeftOut(name, "empty text"))
        else:
            speaker = fields.get("speaker") or speaker_of(name, settings.speaker_pattern)
            utterances.append(
                Utterance(
                    audio=AudioRef(str(path)),
                    sentence=fields["sentence"],
                    id=name if stem in twins else stem,
                    speaker=speaker,
                )
            )
    left_out += [LeftOut(str(path), "text without audio") for path in texts]
    return SourceData(utterances, left_out)


_Texts = dict[Path, dict[str, Any]]


def _texts_beside(folder: Path, audio: list[Path]) -> tuple[_Texts, list[LeftOut]]:
    """Return the fields of each audio file, from the .txt file of its name."""
    texts: _Texts = {}
    known = set()
    for path in audio:
        text = path.with_suffix(".txt")
        if text.is_file():
            known.add(text)
            texts[path] = {"sentence": one_line(read_text(text))}
    without = [
        LeftOut(path.relative_to(folder).as_posix(), "text without audio")
        for path in sorted(folder.rglob("*.txt"))
        if path not in known and not is_hidden(path, folder)
    ]
    return texts, without


def _metadata_texts(files: list[Path]) -> tuple[_Texts, list[LeftOut]]:
    """Return the fields of each audio file that a metadata file names."""
    texts: _Texts = {}
    left_out = []
    for file in files:
        for number, row in _rows(file):
            name = row.get("file_name")
            text = next((row[field] for field in TEXT_FIELDS if row.get(field) is not None), None)
            if not name or not isinstance(text, str):
                wanted = f"file_name and one of {', '.join(TEXT_FIELDS)}"
                raise UserError(
                    f"{file}, line {number}: has {', '.join(map(str, row))}; expected {wanted}",
                    "name the columns so, or use `custom.py table`, which takes any names",
                )
            path = file.parent / str(name)
            if path in texts:
                left_out.append(LeftOut(str(path), f"named twice: line {number} of {file}"))
                continue
            speaker = next((row[field] for field in SPEAKER_FIELDS if row.get(field)), None)
            texts[path] = {
                "sentence": one_line(text),
                "speaker": None if speaker is None else str(speaker),
            }
    return texts, left_out


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if file.suffix == ".jsonl":
        for number, line in table_lines(file):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{file}, line {number}: no valid JSON: {error}", "mend it"
                ) from None
            if not isinstance(value, dict):
                raise UserError(f"{file}, line {number}: expected a JSON object", "mend it")
            yield number, value
        return
    delimiter = "\t" if file.suffix == ".tsv" else ","
    rows = csv_rows(file, read_text(file), delimiter=delimiter)
    _, header = next(rows, (1, []))
    for number, row in rows:
        if row:
            yield number, dict(zip(header, row, strict=False))
