"""NeMo's manifests, in and out: JSON lines of `audio_filepath`, `offset`, `duration`, `text`.

https://docs.nvidia.com/nemo-framework/user-guide/latest/nemotoolkit/asr/datasets.html
A relative path is relative to the manifest's folder, there as here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cli.files import atomic_write
from utils.manifest.json_lines import BLANK, Unreadable, json_values
from utils.manifest.utterance import Utterance
from utils.sources.files import expect_file, expect_own_file, one_line
from utils.sources.source_data import LeftOut, SourceData, SourceSettings

_LANGUAGE_FIELDS = ("lang", "language", "source_lang")


@dataclass(frozen=True, kw_only=True)
class NemoSettings(SourceSettings):
    """A NeMo manifest: JSON lines with audio_filepath, duration and text."""

    path: str
    """The manifest."""


def gather(settings: NemoSettings) -> SourceData:
    """Read a NeMo manifest.

    Raises:
        UserError: there is no such file.
    """
    path = Path(settings.path)
    expect_file(path, "a NeMo manifest")
    utterances, left_out = [], []
    for number, value in json_values(path):
        place = f"{path.stem}-{number:06d}"
        if value is BLANK:
            continue
        try:
            if isinstance(value, Unreadable):
                raise value.error
            utterances.append(_utterance(path, value, place))
        except ValueError as error:
            left_out.append(LeftOut(place, f"line cannot be used: {error}"))
    return SourceData(utterances, left_out)


def relative_to_manifest(manifest: Path, path: str) -> str:
    """Return a path that a manifest names: from the manifest's folder if it is there."""
    beside = os.path.join(manifest.parent, path)
    return beside if os.path.exists(beside) else path


def _utterance(path: Path, value: Any, default_id: str) -> Utterance:
    """Read one line.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    file, text = value.get("audio_filepath"), value.get("text") or value.get("answer")
    if not isinstance(file, str) or not file:
        raise ValueError('"audio_filepath" is missing')
    if not isinstance(text, str) or not text.strip():
        raise ValueError('"text" is missing or empty')
    audio: dict[str, Any] = {"path": relative_to_manifest(path, file)}
    audio |= _times(value)
    channel = value.get("channel_selector")
    if isinstance(channel, list) and len(channel) == 1:
        channel = channel[0]
    if type(channel) is int and channel >= 0:
        audio["channel"] = channel
    elif channel not in (None, "average"):
        raise ValueError(f'"channel_selector" is {channel!r}; expected one channel or "average"')
    language = next((value[name] for name in _LANGUAGE_FIELDS if value.get(name)), None)
    known = {
        "audio": audio,
        "sentence": one_line(text),
        "language": language,
        "task": _task(value),
        "id": value.get("id") or value.get("utt_id"),
        "speaker": value.get("speaker"),
        "source": value.get("source"),
    }
    return Utterance.from_json(known, default_id=default_id)


def _task(value: dict[str, Any]) -> str | None:
    """Return "translate" where Canary's fields ask for a translation; Whisper knows one way alone.

    Raises:
        ValueError: the translation is not into English.
    """
    source, target = value.get("source_lang"), value.get("target_lang")
    if not source or not target or source == target:
        return None
    if str(target).lower().split("-")[0] not in ("en", "english"):
        raise ValueError(f"a translation into {target!r}; Whisper translates into English alone")
    return "translate"


def _times(value: dict[str, Any]) -> dict[str, float]:
    """Return the piece that a line names: without an offset it begins at 0.

    Raises:
        ValueError: the times are no numbers.
    """
    try:
        offset, duration = (
            float(value[name]) if isinstance(value.get(name), str) else value.get(name)
            for name in ("offset", "duration")
        )
    except ValueError:
        raise ValueError('"offset" and "duration" are no seconds') from None
    if duration is None:
        return {} if offset is None else {"start_time": offset}
    try:
        end = round((offset or 0.0) + duration, 6)
    except (TypeError, OverflowError):
        raise ValueError('"offset" and "duration" are no seconds') from None
    return {"end_time": end} if offset is None else {"start_time": offset, "end_time": end}


def write_nemo(path: Path, utterances: Iterable[Utterance]) -> int:
    """Write utterances as a NeMo manifest.

    Args:
        path: where to.
        utterances: with durations, and audio paths relative to the manifest's folder.

    Returns:
        The number of lines written.

    Raises:
        UserError: an utterance lies inside a tar, which NeMo names in another way.
    """
    count = 0
    with atomic_write(path) as file:
        for utterance in utterances:
            audio = utterance.audio
            expect_own_file(utterance, "no line of NeMo's manifests")
            line = {
                "audio_filepath": audio.path,
                "offset": audio.start_time,
                "duration": utterance.duration,
                "text": utterance.sentence,
                "lang": utterance.language,
                "speaker": utterance.speaker,
                "id": utterance.id,
                "channel_selector": audio.channel,
                "source": utterance.source,
            }
            kept = {name: value for name, value in line.items() if value is not None}
            file.write(json.dumps(kept, ensure_ascii=False) + "\n")
            count += 1
    return count
