"""Long recordings without a word of text -> pieces that a model can label.

Every step is remembered: what was downloaded, decoded and cut is not done again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import AudioError
from utils.audio.recording import store_mono
from utils.audio.segmentation import Stretch, cut_at_silence, cut_windows
from utils.audio.vad import speech_of
from utils.cli.errors import UserError
from utils.cli.log import Log
from utils.manifest.utterance import Utterance
from utils.parallel.journal import Journal
from utils.parallel.ray_data import spread
from utils.parallel.shards import parse_shard
from utils.sources.fetch.online import fetch, is_url, items_of
from utils.sources.files import audio_files
from utils.sources.source_data import LeftOut
from utils.transcription.pseudo.settings import PseudoLabelSettings


def collect(
    settings: PseudoLabelSettings, journal: Journal, log: Log
) -> tuple[list[tuple[str, Path]], list[LeftOut]]:
    """Find the recordings of this part that the settings name, and download those on the web.

    Returns:
        What each came from, with its file; and what could not be had.

    Raises:
        UserError: a path leads nowhere.
    """
    named, left_out = _named(settings, journal)
    found: list[tuple[str, Path]] = []
    for origin, item in parse_shard(settings.shard).of(named):
        if not is_url(item):
            found.append((origin, Path(item)))
            continue
        files = fetch(item, Path(settings.output_dir) / "downloads", journal, log)
        if isinstance(files, LeftOut):
            left_out.append(files)
        else:
            found += [(f"{origin}#{file.name}", file) for file in files]
    return list(dict(found).items()), left_out


def _named(
    settings: PseudoLabelSettings, journal: Journal
) -> tuple[list[tuple[str, str]], list[LeftOut]]:
    """Return all that the settings name: what each came from, and its path or address."""
    named: list[tuple[str, str]] = []
    left_out: list[LeftOut] = []
    for each in settings.audio:
        path = Path(each)
        if is_url(each):
            items, missing = items_of(each, journal)
            named += [(each, item) for item in items]
            left_out += missing
        elif path.is_dir():
            named += [(str(file), str(file)) for file in audio_files(path)]
        elif path.is_file():
            named.append((each, each))
        else:
            raise UserError(f"there is no recording {each}", "give files, folders or addresses")
    return list(dict.fromkeys(named)), left_out


def cut(
    recordings: Sequence[tuple[str, Path]],
    settings: PseudoLabelSettings,
    journal: Journal,
    log: Log,
) -> tuple[list[Utterance], list[LeftOut]]:
    """Decode recordings to 16 kHz mono and cut them into pieces.

    Returns:
        The pieces, without text; and what could not be decoded or is too short.
    """
    folder = Path(settings.output_dir) / "audio"
    known = [_StoredRecording.of(source, path, folder) for source, path in recordings]
    left_out = _decode(known, settings, journal, log)
    failed = {each.id for each in left_out}
    known = [each for each in known if each.source not in failed]
    if settings.window is None:
        _listen(known, settings, journal)
    pieces: list[Utterance] = []
    for each in known:
        length = float(journal[each.key])
        stretches, too_short = _stretches(each, length, settings, journal)
        log.note(f"{each.source}: {len(stretches)} pieces of {length:.1f} s")
        pieces += [each.piece(start, end) for start, end in stretches]
        for start, end in too_short:
            reason = f"speech shorter than a piece: {start:.2f} to {end:.2f} s"
            left_out.append(LeftOut(each.source, reason))
        if not stretches and not too_short:
            left_out.append(LeftOut(each.source, "no speech found"))
    return pieces, left_out


@dataclass(frozen=True)
class _StoredRecording:
    """A recording, and where it lies once it is decoded; `key` is that of its length."""

    source: str
    path: Path
    stored: Path
    key: list[Any]

    @classmethod
    def of(cls, source: str, path: Path, folder: Path) -> _StoredRecording:
        name = f"{path.stem[:80]}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
        facts = path.stat()
        key = ["stored", source, facts.st_size, facts.st_mtime_ns]
        return cls(source, path, folder / f"{name}.flac", key)

    def piece(self, start: Seconds, end: Seconds) -> Utterance:
        audio = AudioRef(str(self.stored), start, end)
        name = f"{self.stored.stem}-{round(start * 1000):09d}-{round(end * 1000):09d}"
        return Utterance(audio, "", name, duration=round(end - start, 3), source=self.source)


def _decode(
    recordings: Sequence[_StoredRecording],
    settings: PseudoLabelSettings,
    journal: Journal,
    log: Log,
) -> list[LeftOut]:
    """Decode what was not decoded before; return what cannot be."""
    unknown = [each for each in recordings if each.key not in journal or not each.stored.exists()]
    left_out = []
    for each, length in zip(unknown, spread(_decoded, unknown, settings.engine), strict=True):
        if isinstance(length, AudioError):
            log(f"{each.source}: {length.message}")
            left_out.append(LeftOut(each.source, f"unreadable audio: {length.message}"))
        else:
            journal.add(each.key, length)
            log.note(f"{each.source}: {length:.1f} s decoded to {each.stored}")
    return left_out


def _decoded(recording: _StoredRecording) -> Seconds | AudioError:
    try:
        return store_mono(recording.path, recording.stored)
    except AudioError as error:
        return error


def _listen(
    recordings: Sequence[_StoredRecording], settings: PseudoLabelSettings, journal: Journal
) -> None:
    """Find where somebody speaks, in what was not listened to before."""
    unknown = [
        (each, float(journal[each.key]), settings.max_len)
        for each in recordings
        if _speech_key(each, float(journal[each.key]), settings) not in journal
    ]
    for task, speech in zip(unknown, spread(_speech, unknown, settings.engine), strict=True):
        journal.add(_speech_key(task[0], task[1], settings), speech)


def _speech(task: tuple[_StoredRecording, Seconds, Seconds]) -> list[Stretch]:
    recording, length, longest = task
    return speech_of(recording.stored, length, longest)


def _speech_key(
    recording: _StoredRecording, length: Seconds, settings: PseudoLabelSettings
) -> list[Any]:
    return ["speech", recording.stored.name, length, settings.max_len]


def _stretches(
    recording: _StoredRecording, length: Seconds, settings: PseudoLabelSettings, journal: Journal
) -> tuple[list[Stretch], list[Stretch]]:
    """Return the pieces of a recording, and the speech that is too short for one."""
    if settings.window is not None:
        return cut_windows(length, settings.window, settings.overlap, settings.min_len), []
    found = journal[_speech_key(recording, length, settings)]
    speech = [(start, end) for start, end in found]
    return cut_at_silence(speech, length, settings.min_len, settings.max_len)
