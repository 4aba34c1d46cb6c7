"""Sound for the report's players: by path, or in the page itself where that is small enough."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import soundfile

from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError
from utils.audio.load import SAMPLE_RATE, load_audio
from utils.report.report_data import SetView

MEBI = 1 << 20
# What browsers play as it is; everything else is decoded and embedded as MP3, or not played.
TYPES = {
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".mp4": "audio/mp4",
    ".webm": "audio/webm",
}
LOSSLESS = ("audio/flac", "audio/wav")
FEWEST_BYTES_A_SECOND = 1000  # MP3 of silence; speech takes 5 to 6.5 kB a second
SMALLEST_SOUND = 1000
# The shorter ones that still fit stand behind a few long ones, not behind all of a large set.
MOST_PASSED = 200


@dataclass(frozen=True)
class Sound:
    """Where the page finds the sound of all utterances.

    Attributes:
        folders: Different folders, as URLs relative to the page, each with its "/".
        files: An entry an utterance: [folder number, file name as a URL, start, end], or the
            number of the reason why there is none.
        reasons: Sentences.
        embedded: Utterance number -> data URL.
        missing: Files that were not there when the page was made.
    """

    folders: list[str]
    files: list[Any]
    reasons: list[str]
    embedded: dict[int, str]
    missing: int

    def to_json(self) -> dict[str, Any]:
        """What the page reads when the first sound is wanted."""
        return {"files": self.files, "reasons": self.reasons, "embedded": self.embedded}


def find_sound(
    sets: Sequence[SetView], page: Path, *, embed_mb: float, order: Sequence[int]
) -> Sound:
    """Find the sound of every utterance.

    Args:
        sets: The test sets, one after another.
        page: The file that will hold the page; paths are relative to it.
        embed_mb: Embed sounds until they are this many MiB.
        order: Numbers of the utterances, those to embed first in front.
    """
    refs = [_ref(view, place) for view in sets for place in range(len(view.ids))]
    folders: dict[str, int] = {}
    reasons: dict[str, int] = {}
    exists: dict[str, bool] = {}
    files: list[Any] = []
    for ref in refs:
        entry = _entry(ref, page, folders, exists)
        files.append(entry if isinstance(entry, list) else reasons.setdefault(entry, len(reasons)))
    seconds = [each.audio_seconds for view in sets for each in view.lines]
    embedded = _embed(refs, seconds, order, int(embed_mb * MEBI))
    missing = sum(not found for found in exists.values())
    return Sound(list(folders), files, list(reasons), embedded, missing)


def _ref(view: SetView, place: int) -> AudioRef | None:
    utterance = view.utterances.get(view.ids[place])
    if utterance is not None:
        return utterance.audio
    return None


def _entry(
    ref: AudioRef | None, page: Path, folders: dict[str, int], exists: dict[str, bool]
) -> list[Any] | str:
    """Return the page's entry for a sound, or the sentence that says why there is none."""
    if ref is None:
        return "The manifest, which says where the sound is, was gone when this page was made."
    if ref.path not in exists:
        exists[ref.path] = os.path.isfile(ref.path)
    if not exists[ref.path]:
        return f"The sound {ref.path} was gone when this page was made."
    if ref.offset is not None:
        return f"The sound is inside {ref.path}; it plays only where it is embedded."
    if ref.channel is not None:
        return f"Channel {ref.channel} of {ref.path} was heard; it plays only where it is embedded."
    if Path(ref.path).suffix.lower() not in TYPES:
        return f"Browsers do not play {ref.path}; it plays only where it is embedded."
    folder, name = os.path.split(ref.path)
    number = folders.setdefault(_folder_url(folder, page), len(folders))
    times = [ref.start_time or 0, ref.end_time] if ref.end_time or ref.start_time else []
    return [number, quote(name), *times]


@cache
def _folder_url(folder: str, page: Path) -> str:
    """Return a folder's URL relative to the page, with its "/"; "" for the page's own folder."""
    relative = os.path.relpath(folder or ".", page.parent or ".")
    return "" if relative == "." else quote(relative.replace(os.sep, "/")) + "/"


def _embed(
    refs: Sequence[AudioRef | None],
    seconds: Sequence[float],
    order: Sequence[int],
    budget: int,
) -> dict[int, str]:
    """Return data URLs of as many sounds as fit into the budget of bytes.

    What is too long for what is left is passed over, and shorter ones behind it still fit.
    """
    embedded: dict[int, str] = {}
    passed = 0
    for number in order:
        ref = refs[number]
        if budget < SMALLEST_SOUND or passed >= MOST_PASSED:
            break
        if ref is None or not os.path.isfile(ref.path):
            continue
        if seconds[number] * FEWEST_BYTES_A_SECOND > budget:
            passed += 1
            continue
        try:
            kind, data = _bytes(ref)
        except (AudioError, OSError):
            continue
        if len(data) > budget:
            passed += 1
            continue
        budget -= len(data)
        embedded[number] = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return embedded


def _bytes(ref: AudioRef) -> tuple[str, bytes]:
    """Return the type and content of a sound: a compressed file, else what the model hears.

    That is written as MP3, which every browser plays and which is a third of FLAC for speech.
    """
    kind = TYPES.get(Path(ref.path).suffix.lower())
    is_whole = (ref.start_time, ref.end_time, ref.offset, ref.channel) == (None,) * 4
    if kind and is_whole and kind not in LOSSLESS:
        return kind, Path(ref.path).read_bytes()
    memory = io.BytesIO()
    soundfile.write(memory, load_audio(ref), SAMPLE_RATE, format="MP3")
    return TYPES[".mp3"], memory.getvalue()
