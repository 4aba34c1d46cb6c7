"""A data set of the Hugging Face hub, or a local folder of one, read as a stream.

Only the audio is fetched and kept, as it is; nothing that comes with a data set is executed, and
decoding is left to this repository.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from utils.sources.source_data import LeftOut, SourceData, SourceSettings
from utils.sources.tables.columns import COLUMNS

# What the first bytes say, for audio that comes without a file name.
_MAGIC = ((b"RIFF", ".wav"), (b"fLaC", ".flac"), (b"OggS", ".ogg"), (b"ID3", ".mp3"))


@dataclass(frozen=True, kw_only=True)
class HubSettings(SourceSettings):
    """A data set by its Hugging Face name, or a local folder of one, read as a stream."""

    path: str
    """Name on the hub, such as google/fleurs, or a folder that datasets.load_dataset takes."""
    configuration: str | None = None
    """Which of its configurations, such as cmn_hans_cn."""
    part: str = "train"
    """Which of its splits to read."""
    audio_column: str = "audio"
    """Column with the audio."""
    text_column: str | None = None
    """Column with what is said; None takes the first of sentence, text, transcription, ..."""
    speaker_column: str | None = None
    """Column with the speaker; None takes the first of speaker, speaker_id, client_id."""
    limit: int | None = None
    """Read only so many rows."""
    audio_dir: str = "dataset/audio/"
    """Folder for the audio; what was written there by an earlier run is not fetched twice over."""


def gather(settings: HubSettings) -> SourceData:
    """Read a data set's rows as utterances, and write their audio.

    Raises:
        UserError: there is no such data set, configuration or split, or it lacks a column.
        Failure: it cannot be fetched.
    """
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
    from datasets import load_dataset

    try:
        data = load_dataset(
            settings.path, settings.configuration, split=settings.part, streaming=True
        )
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
        found = named or next((name for name in COLUMNS[field] if name in columns), None)
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
