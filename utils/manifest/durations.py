"""How long an utterance lasts: as its manifest says, or else as the header of its file says."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from utils.cli.progress import progress
from utils.manifest.decode import AudioError
from utils.manifest.duration_cache import remember_durations, remembered_durations
from utils.manifest.header import header_duration
from utils.manifest.utterance import AudioRef, Seconds, Utterance

# Reading headers waits for the disk, not for the processor.
HEADER_THREADS = 8
# So many are measured at once, without a progress bar.
FEW = 2000


def stated_duration(utterance: Utterance) -> Seconds | None:
    """Return the duration that the manifest states, or None; no file is opened.

    The times that cut the piece out of its file are believed before the field `duration`.
    """
    audio = utterance.audio
    if audio.end_time is not None:
        return audio.end_time - (audio.start_time or 0.0)
    return utterance.duration


def duration_of(utterance: Utterance) -> Seconds:
    """Return the duration of an utterance in seconds.

    Raises:
        AudioError: the manifest does not state it and the file cannot be read.
    """
    stated = stated_duration(utterance)
    return header_duration(utterance.audio) if stated is None else stated


def known_durations(utterances: Sequence[Utterance]) -> list[Seconds | None]:
    """Return the duration of each utterance in seconds, None where its file cannot be read.

    What the manifest does not state is measured once and remembered (see `duration_cache.py`).
    """
    durations = [stated_duration(utterance) for utterance in utterances]
    unknown = [index for index, seconds in enumerate(durations) if seconds is None]
    remembered = remembered_durations([utterances[index].audio for index in unknown])
    for index, seconds in zip(unknown, remembered, strict=True):
        durations[index] = seconds
    unknown = [index for index in unknown if durations[index] is None]
    measured = measured_durations([utterances[index].audio for index in unknown])
    fresh: list[tuple[AudioRef, Seconds]] = []
    for index, found in zip(unknown, measured, strict=True):
        if not isinstance(found, AudioError):
            durations[index] = found
            fresh.append((utterances[index].audio, found))
    if fresh:
        remember_durations(*zip(*fresh, strict=True))
    return durations


def measured_durations(audio: Sequence[AudioRef]) -> list[Seconds | AudioError]:
    """Return the duration of each sound from its file's header, or what kept us from reading it."""
    if not audio:
        return []
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        durations = pool.map(_measured, audio)
        if len(audio) < FEW:
            return list(durations)
        return list(progress(durations, total=len(audio), desc="measuring", unit="utt"))


def _measured(audio: AudioRef) -> Seconds | AudioError:
    try:
        return header_duration(audio)
    except AudioError as error:
        return error
