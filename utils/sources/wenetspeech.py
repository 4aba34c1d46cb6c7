"""WenetSpeech: 22,400 hours of Mandarin from the web (https://wenet.org.cn/WenetSpeech/).

Its WenetSpeech.json holds every recording with its segments: `sid`, `begin_time`, `end_time`,
`text`, `confidence`, and the `subsets` that the segment belongs to. The file has gigabytes: it is
read recording by recording.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.sources.files import expect_file, is_file, one_line
from utils.sources.source_data import LeftOut, SourceData, SourceSettings

CHUNK_CHARACTERS = 8 << 20
LATEST = 1e9  # seconds; larger numbers are damage
SUBSETS = ("L", "M", "S", "W", "DEV", "TEST_NET", "TEST_MEETING")


@dataclass(frozen=True, kw_only=True)
class WenetSpeechSettings(SourceSettings):
    """WenetSpeech's JSON with its audio."""

    path: str
    """WenetSpeech.json."""
    audio_dir: str | None = None
    """Folder that its audio paths are relative to. None takes the folder of the JSON."""
    subset: str = "L"
    """Which segments: L, M, S, W (weakly labelled), DEV, TEST_NET or TEST_MEETING."""
    min_confidence: float = 0.0
    """Leave out segments whose confidence in the corpus is below this (0.6 to 1.0 there)."""


def gather(settings: WenetSpeechSettings) -> SourceData:
    """Read one subset.

    Raises:
        UserError: there is no such file or subset, or the file is no WenetSpeech.json.
    """
    path = Path(settings.path)
    expect_file(path, "WenetSpeech.json")
    if settings.subset not in SUBSETS:
        raise UserError(
            f"--subset={settings.subset} is no subset of WenetSpeech",
            f"it has {', '.join(SUBSETS)}",
        )
    audio_dir = Path(settings.audio_dir) if settings.audio_dir else path.parent
    utterances: list[Utterance] = []
    left_out: list[LeftOut] = []
    for recording in _recordings(path):
        audio = audio_dir / recording["path"]
        try:
            wanted = [
                each
                for each in recording.get("segments") or ()
                if settings.subset in (each.get("subsets") or ())
            ]
        except (TypeError, AttributeError):
            raise _broken(path, f"the segments of {recording['path']!r} are none") from None
        if wanted and not is_file(audio):
            names = f"{len(wanted)} segments of {audio}"
            left_out.append(LeftOut(str(recording.get("aid")), f"text without audio: {names}"))
            continue
        for segment in wanted:
            _add(segment, recording, audio, settings.min_confidence, utterances, left_out)
    return SourceData(utterances, left_out)


def _add(
    segment: dict[str, Any],
    recording: dict[str, Any],
    audio: Path,
    min_confidence: float,
    utterances: list[Utterance],
    left_out: list[LeftOut],
) -> None:
    name = str(segment.get("sid"))
    start: Any = segment.get("begin_time")
    end: Any = segment.get("end_time")
    confidence = segment.get("confidence", 1.0)
    text = one_line(str(segment.get("text") or ""))
    if not _are_times(start, end):
        left_out.append(LeftOut(name, f"times: {start} to {end} s"))
    elif not isinstance(confidence, (int, float)):
        left_out.append(LeftOut(name, f"no confidence: {confidence!r}"))
    elif not text:
        left_out.append(LeftOut(name, "audio without text"))
    elif confidence < min_confidence:
        left_out.append(LeftOut(name, f"low confidence: {confidence:g}"))
    else:
        utterances.append(
            Utterance(
                audio=AudioRef(str(audio), float(start), float(end)),
                sentence=text,
                id=name,
                language="zh",
                extra={"confidence": confidence},
            )
        )


def _are_times(start: Any, end: Any) -> bool:
    if not isinstance(start, (int, float)) or not isinstance(end, (int, float)):
        return False
    return 0 <= start < end < LATEST


def _recordings(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of the list `audios`, holding one of them at a time."""
    decoder = json.JSONDecoder()
    with open(path, encoding="utf-8-sig") as file:
        text = _read(path, file)
        found = re.search(r'"audios"\s*:\s*\[', text)
        if not found:
            raise _broken(path, 'it has no list "audios"')
        text = text[found.end() :]
        while True:
            text = text.lstrip(" \t\r\n,")
            if text.startswith("]"):
                return
            try:
                value, end = decoder.raw_decode(text)
            except json.JSONDecodeError as error:
                more = _read(path, file)
                if not more:
                    raise _broken(path, f"it is cut off or damaged: {error.msg}") from None
                text += more
                continue
            except (ValueError, RecursionError) as error:
                raise _broken(path, str(error)) from None
            if not isinstance(value, dict) or not isinstance(value.get("path"), str):
                raise _broken(path, "a recording has no path")
            yield value
            text = text[end:]


def _read(path: Path, file: TextIO) -> str:
    try:
        return file.read(CHUNK_CHARACTERS)
    except UnicodeDecodeError as error:
        raise _broken(path, f"it is no text in UTF-8 ({error.reason})") from None


def _broken(path: Path, problem: str) -> UserError:
    return UserError(f"{path} is no WenetSpeech.json: {problem}", "copy or download it again")
