"""How long an utterance lasts: as its manifest says, or else as the header of its file says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import AudioError
from utils.audio.duration_cache import remember_durations, remembered_durations
from utils.audio.header import header_duration
from utils.cli.progress import progress
from utils.manifest.utterance import Utterance

# Reading headers waits for the disk, not for the processor.
HEADER_THREADS = 8
# So many are measured and remembered at a time; no more of them need no progress bar.
BLOCK = 2000


def stated_duration(utterance: Utterance) -> Seconds | None:
    """Return the duration that the manifest states, or None; no file is opened.

    The times that cut the piece out of its file are believed before the field `duration`.
    """
    audio = utterance.audio
    if audio.end_time is not None:
        return audio.end_time - (audio.start_time or 0.0)
    return utterance.duration


def known_durations(utterances: Sequence[Utterance]) -> list[Seconds | None]:
    """Return the duration of each utterance in seconds, None where its file cannot be read."""
    durations = [stated_duration(utterance) for utterance in utterances]
    unknown = [index for index, seconds in enumerate(durations) if seconds is None]
    measured = measured_durations([utterances[index].audio for index in unknown])
    for index, found in zip(unknown, measured, strict=True):
        durations[index] = None if isinstance(found, AudioError) else found
    return durations


def measured_durations(audio: Sequence[AudioRef]) -> list[Seconds | AudioError]:
    """Return the duration of each sound from its file's header, or what kept us from reading it.

    Each is measured once and remembered (see `duration_cache.py`), block by block: who is killed
    amid a million files goes on there.
    """
    found: list[Seconds | AudioError | None] = [*remembered_durations(audio)]
    unknown = [index for index, seconds in enumerate(found) if seconds is None]
    for index, seconds in zip(unknown, _measure([audio[i] for i in unknown]), strict=True):
        found[index] = seconds
    return [seconds for seconds in found if seconds is not None]


def _measure(audio: Sequence[AudioRef]) -> Iterator[Seconds | AudioError]:
    blocks: Iterable[Sequence[AudioRef]] = [
        audio[first : first + BLOCK] for first in range(0, len(audio), BLOCK)
    ]
    if len(audio) > BLOCK:
        blocks = progress(blocks, desc="measuring", unit=f"{BLOCK} files")
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        for block in blocks:
            durations = list(pool.map(_measured, block))
            pairs = zip(block, durations, strict=True)
            read = [(each, found) for each, found in pairs if not isinstance(found, AudioError)]
            if read:
                remember_durations(*zip(*read, strict=True))
            yield from durations


def _measured(audio: AudioRef) -> Seconds | AudioError:
    try:
        return header_duration(audio)
    except AudioError as error:
        return error
