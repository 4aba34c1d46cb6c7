"""A data set of the Hugging Face hub, or a local folder of one, read as a stream.

Only the audio is fetched and kept, as it is; nothing that comes with a data set is executed, and
decoding is left to this repository.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from utils.audio.clip import AudioRef
from utils.cli.errors import Failure, UserError
from utils.cli.progress import progress
from utils.manifest.languages import language_code
from utils.manifest.utterance import Utterance
from utils.parallel.shards import parse_shard
from utils.sources.fetch.archives import write_once
from utils.sources.files import AUDIO_SUFFIXES, one_line
from utils.sources.parts import joined_parts
from utils.sources.source_data import LeftOut, SourceData, SourceSettings
from utils.sources.tables.columns import COLUMNS, find_column

ALL = "all"  # splits, of --part
# What the first bytes say, for audio that comes without a file name.
_MAGIC = ((b"RIFF", ".wav"), (b"fLaC", ".flac"), (b"OggS", ".ogg"), (b"ID3", ".mp3"))


@dataclass(frozen=True, kw_only=True)
class HubSettings(SourceSettings):
    """A data set by its Hugging Face name, or a local folder of one, read as a stream."""

    path: str
    """Name on the hub, such as google/fleurs; a folder that datasets.load_dataset reads or
    save_to_disk wrote; or a parquet file."""
    configuration: str | None = None
    """Configuration to read, such as cmn_hans_cn."""
    part: str = "train"
    """Split to read; all reads every split and keeps them apart."""
    audio_column: str = "audio"
    """Column with the audio."""
    text_column: str | None = None
    """Column with the transcript. None takes the first of sentence, text, transcription, ..."""
    speaker_column: str | None = None
    """Column with the speaker. None takes the first of speaker, speaker_id, client_id."""
    limit: int | None = None
    """Read only the first so many rows."""
    audio_dir: str = "dataset/audio/"
    """Folder for the audio. What an earlier run wrote there is not downloaded again."""


def gather(settings: HubSettings) -> SourceData:
    """Read a data set's rows as utterances, and write their audio.

    Raises:
        UserError: there is no such data set, configuration or split, or it lacks a column.
        Failure: it cannot be fetched.
    """
    if settings.part != ALL:
        return _gather(settings)
    names = split_names(settings)
    return joined_parts((name, _gather(replace(settings, part=name))) for name in names)


def _gather(settings: HubSettings) -> SourceData:
    rows, columns = _open(settings)
    fields = _fields(settings, columns)
    name = settings.path.rstrip("/").split("/")[-1]
    folder = Path(settings.audio_dir) / "-".join(filter(None, (name, settings.configuration)))
    shard = parse_shard(settings.shard)
    utterances, left_out = [], []
    for number, row in enumerate(progress(rows, desc="reading", unit="utt")):
        if number % shard.count != shard.number - 1:  # how many there are is not known
            continue
        utterance_id = f"{settings.part}-{number:07d}"
        text = one_line(str(row.get(fields["text"]) or ""))
        audio = row.get(settings.audio_column) or {}
        path = _audio_file(audio, folder / settings.part / utterance_id)
        if path is None:
            left_out.append(LeftOut(utterance_id, "text without audio"))
        elif not text:
            left_out.append(LeftOut(utterance_id, "audio without text"))
        else:
            speaker = row.get(fields.get("speaker", ""))
            utterances.append(
                Utterance(
                    audio=AudioRef(str(path)),
                    sentence=text,
                    id=utterance_id,
                    language=_language(row, fields),
                    speaker=str(speaker) if speaker not in (None, "") else None,
                )
            )
    return SourceData(utterances, left_out, is_part=True)


def _open(settings: HubSettings) -> tuple[Iterable[Mapping[str, Any]], Sequence[str]]:
    """Return the rows, with undecoded audio, and the names of the columns."""
    try:
        data = _data_set(settings)
        columns = list(data.column_names or ())
        if settings.audio_column not in columns:
            raise _no_column(settings, columns, f"no column {settings.audio_column!r}", "audio")
        data = _undecoded(data, settings.audio_column)
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise UserError(
            f"the data set {settings.path} cannot be read: {_first_line(error)}",
            "check --path, --configuration and --part; without a network only a local folder works",
        ) from None
    except (ConnectionError, OSError, RuntimeError) as error:
        raise Failure(
            f"the data set {settings.path} cannot be fetched: {_first_line(error)}",
            "run the command again; what was fetched is kept",
        ) from None
    return islice(data, settings.limit), columns


def _data_set(settings: HubSettings) -> Any:
    """Open one split as a stream."""
    from datasets import DatasetDict, load_dataset, load_from_disk

    path = Path(settings.path)
    if path.suffix == ".parquet":
        return load_dataset("parquet", data_files=str(path), split="train", streaming=True)
    if not _is_saved(path):
        return load_dataset(
            settings.path, settings.configuration, split=settings.part, streaming=True
        )
    saved = load_from_disk(str(path))
    if isinstance(saved, DatasetDict):
        if settings.part not in saved:
            raise ValueError(f"it has the splits {', '.join(saved)}, not {settings.part}")
        saved = saved[settings.part]
    return saved.to_iterable_dataset()


def _is_saved(path: Path) -> bool:
    """Whether `save_to_disk` of datasets wrote a folder."""
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()


def split_names(settings: HubSettings) -> list[str]:
    """Return the names of the splits that a data set has.

    Raises:
        UserError: it cannot be found.
    """
    from datasets import get_dataset_split_names

    path = Path(settings.path)
    if (path / "dataset_dict.json").is_file():
        known = json.loads((path / "dataset_dict.json").read_text(encoding="utf-8"))
        return list(known["splits"])
    if path.suffix == ".parquet" or _is_saved(path):
        return ["train"]
    try:
        return list(get_dataset_split_names(settings.path, settings.configuration))
    except (FileNotFoundError, ValueError, ConnectionError, OSError) as error:
        raise UserError(
            f"the splits of {settings.path} cannot be found: {_first_line(error)}",
            "name one with --part",
        ) from None


def _undecoded(data: Any, column: str) -> Any:
    """Have the audio come as bytes or as a path.

    Paths, which audiofolders have, cannot even be looked at as audio without a decoder library.
    """
    from datasets import Audio, Value

    undecoded = data.cast_column(column, Audio(decode=False))
    try:
        next(iter(undecoded.take(1)), None)
        return undecoded
    except ImportError:
        return data.cast_column(column, Value("string"))


def _fields(settings: HubSettings, columns: Sequence[str]) -> dict[str, str]:
    fields = {}
    for field in ("text", "speaker", "language"):
        named = getattr(settings, f"{field}_column", None)
        if named is not None and named not in columns:
            raise _no_column(settings, columns, f"no column {named!r}", field)
        usual = (find_column(columns, name) for name in COLUMNS[field])
        found = named or next((each for each in usual if each is not None), None)
        if found is not None:
            fields[field] = found
    if "text" not in fields:
        wanted = ", ".join(COLUMNS["text"])
        raise _no_column(settings, columns, f"none of the columns {wanted}", "text")
    return fields


def _no_column(
    settings: HubSettings, columns: Sequence[str], problem: str, field: str
) -> UserError:
    return UserError(
        f"{settings.path} has {problem}; it has {', '.join(map(repr, columns))}",
        f"choose one with --{field}_column",
    )


def _language(row: Mapping[str, Any], fields: Mapping[str, str]) -> str | None:
    """Return the code of the row's language; a language that Whisper lacks counts as not stated."""
    value = row.get(fields.get("language", ""))
    try:
        return language_code(value) if isinstance(value, str) and value else None
    except UserError:
        return None


def _audio_file(audio: Mapping[str, Any] | str, path: Path) -> Path | None:
    """Return the file of a row's audio: where it lies, or written to `path` with a suffix."""
    known: Mapping[str, Any] = {"path": audio} if isinstance(audio, str) else audio
    content, name = known.get("bytes"), known.get("path") or ""
    if content is None and Path(name).is_file():
        return Path(name)
    if content is None and "://" in name:
        import fsspec

        with fsspec.open(name, "rb") as file:
            content = file.read()
    if content is None:
        return None
    suffix = Path(name).suffix.lower()
    if suffix not in AUDIO_SUFFIXES:
        suffix = next((known for magic, known in _MAGIC if content.startswith(magic)), ".audio")
    file = path.with_name(path.name + suffix)
    write_once("the data set", io.BytesIO(content), len(content), file)
    return file


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
