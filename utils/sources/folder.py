"""A folder of recordings with a text beside each, or with a metadata file for all.

Either every `a/b.wav` has its text in `a/b.txt`; or, as in the audiofolder form of Hugging Face
datasets, `metadata.csv`, `metadata.tsv` or `metadata.jsonl` names files and texts. Metadata may
stand in the folder itself or in folders below it, each for the files below that.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.sources.audio.paths import AudioFinder
from utils.sources.files import (
    AUDIO_SUFFIXES,
    audio_files,
    expect_folder,
    found_by_pattern,
    is_hidden,
    one_line,
    read_text,
    speaker_of,
    table_lines,
)
from utils.sources.parts import parts_of_paths
from utils.sources.source_data import LeftOut, SourceData, SourceSettings
from utils.sources.tables.cells import text_rows
from utils.sources.text.lists import ENDINGS, texts_of_lists
from utils.sources.text.transcripts import is_label_track

METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl")
TEXT_FIELDS = ("sentence", "transcription", "text", "transcript")
LABEL_TRACK = "a label track of Audacity: `custom.py subtitles` reads its times"
SPEAKER_FIELDS = ("speaker", "speaker_id", "client_id")


_Texts = dict[Path, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class FolderSettings(SourceSettings):
    """Recordings with texts beside them or in lists, with metadata, or with names as labels."""

    path: str
    """The folder. It is searched with all its subfolders; nothing in it is changed."""
    text_pattern: str | None = None
    """Regular expression whose one group is the text. It is searched in each file's path below the
    folder: '^([^/]+)/' is the first folder, '([^/_]+)_' what stands before the first _."""
    encoding: str | None = None
    """Encoding of the texts, such as gbk or cp1252. None: UTF-8, or what the BOM says."""
    speaker_pattern: str | None = None
    """Regular expression whose one group is the speaker. It is searched in each file's path below
    the folder: '^([^/]+)/' is the first folder."""


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
    finders: dict[Path, AudioFinder] = {}
    left_out: list[LeftOut] = []
    if settings.text_pattern is not None:
        texts = _texts_of_names(folder, audio, settings.text_pattern)
    elif metadata:
        texts, left_out = _metadata_texts(metadata, settings.encoding, finders)
    else:
        texts, left_out = _texts_beside(folder, audio, settings.encoding)
    utterances = []
    names: dict[str, str] = {}
    for path, stem in zip(audio, stems, strict=True):
        name = path.relative_to(folder).as_posix()
        fields = texts.pop(path, None)
        if fields is None:
            left_out.append(LeftOut(name, "audio without text"))
        elif not fields["sentence"]:
            left_out.append(LeftOut(name, "empty text"))
        else:
            speaker = fields.get("speaker") or speaker_of(name, settings.speaker_pattern)
            utterance_id = name if stem in twins else stem
            names[utterance_id] = name
            audio_ref = AudioRef(str(path))
            utterances.append(
                Utterance(audio_ref, fields["sentence"], utterance_id, speaker=speaker)
            )
    left_out += [LeftOut(str(path), "text without audio") for path in texts]
    notes = [note for finder in finders.values() for note in finder.told()]
    return SourceData(utterances, left_out, part_of=parts_of_paths(names), notes=notes)


def _texts_of_names(folder: Path, audio: list[Path], pattern: str) -> _Texts:
    """Return the fields of each audio file whose path the pattern finds a text in."""
    texts: _Texts = {}
    for path in audio:
        name = unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())
        found = found_by_pattern(name, "text_pattern", pattern)
        if found is not None:
            texts[path] = {"sentence": one_line(found.replace("_", " "))}
    return texts


def _texts_beside(
    folder: Path, audio: list[Path], encoding: str | None
) -> tuple[_Texts, list[LeftOut]]:
    """Return the fields of each audio file, from the .txt file of its name.

    Names are compared as they read, whatever Unicode form or case of the ending they have.
    """
    files = [path for path in sorted(folder.rglob("*")) if not is_hidden(path, folder)]
    files = [path for path in files if path.suffix.lower() in ENDINGS and path.is_file()]
    beside = {_read_name(path): path for path in files if path.suffix.lower() == ".txt"}
    for path in files:  # a.wav.trn of THCHS-30, a.normalized.txt of LibriTTS
        if path.suffix.lower() == ".trn":
            beside.setdefault(_read_name(path), path)
        for ending in (".trn", *AUDIO_SUFFIXES, ".normalized"):
            if path.stem.endswith(ending) and path.suffix.lower() in (".txt", ".trn"):
                beside.setdefault(_read_name(path.with_suffix("")), path)
    if not any(_read_name(path) in beside for path in audio):
        listed, missing = texts_of_lists(audio, files, encoding)
        if listed:
            unheard = [LeftOut(name, "text without audio") for name in missing]
            return {path: {"sentence": text} for path, text in listed.items()}, unheard
    texts: _Texts = {}
    left_out: list[LeftOut] = []
    known = set()
    for path in audio:
        text = beside.get(_read_name(path))
        if text is None:
            continue
        known.add(text)
        content = read_text(text, encoding)
        if text.suffix.lower() == ".trn":
            content = content.split("\n")[0]  # below it are syllables and sounds
        if is_label_track(content):
            left_out.append(LeftOut(path.relative_to(folder).as_posix(), LABEL_TRACK))
            continue
        texts[path] = {"sentence": _without_times(path, content)}
    left_out += [
        LeftOut(path.relative_to(folder).as_posix(), "text without audio")
        for path in beside.values()
        if path not in known
    ]
    return texts, left_out


def _read_name(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path.with_suffix("")))


def _without_times(path: Path, content: str) -> str:
    """Return a text on one line; TIMIT's has its first and last sample before it."""
    text = one_line(content)
    first, _, rest = text.partition(" ")
    last, _, said = rest.partition(" ")
    is_timit = first == "0" and last.isdigit() and said and "\n" not in content.strip()
    return said if is_timit and path.suffix.lower() in (".wav", ".sph", ".flac") else text


def _metadata_texts(
    files: list[Path], encoding: str | None, finders: dict[Path, AudioFinder]
) -> tuple[_Texts, list[LeftOut]]:
    """Return the fields of each audio file that a metadata file names."""
    texts: _Texts = {}
    left_out = []
    for file in files:
        for number, row in _rows(file, encoding):
            name = row.get("file_name")
            text = next((row[field] for field in TEXT_FIELDS if row.get(field) is not None), None)
            if not name or not isinstance(text, str):
                wanted = f"file_name and one of {', '.join(TEXT_FIELDS)}"
                raise UserError(
                    f"{file}, line {number}: has {', '.join(map(str, row))}; expected {wanted}",
                    "name the columns so, or use `custom.py table`, which takes any names",
                )
            finder = finders.setdefault(file.parent, AudioFinder(file.parent))
            path = finder.find(str(name)) or file.parent / str(name)
            if path in texts:
                left_out.append(LeftOut(str(path), f"named twice: line {number} of {file}"))
                continue
            speaker = next((row[field] for field in SPEAKER_FIELDS if row.get(field)), None)
            texts[path] = {
                "sentence": one_line(text),
                "speaker": None if speaker is None else str(speaker),
            }
    return texts, left_out


def _rows(file: Path, encoding: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    if file.suffix == ".jsonl":
        for number, line in table_lines(file):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{file}, line {number}: no valid JSON: {error}", "correct the line"
                ) from None
            if not isinstance(value, dict):
                raise UserError(
                    f"{file}, line {number}: expected a JSON object", "correct the line"
                )
            yield number, value
        return
    rows = text_rows(file, None, encoding)
    header = rows[0][1] if rows else []
    for number, row in rows[1:]:
        yield number, {name: cell for name, cell in zip(header, row, strict=False) if name}
