"""How long each utterance is, and whether it lies within its recording and channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import END_TOLERANCE, AudioError
from utils.audio.header import header_channels
from utils.manifest.durations import measured_durations
from utils.manifest.utterance import Utterance
from utils.sources.source_data import LeftOut

_ROUNDED: Seconds = 0.002


def measured(utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[LeftOut]]:
    """Give each utterance its duration, from the header of its file, opened once."""
    wholes = {_whole(each.audio): None for each in utterances}
    lengths = dict(zip(wholes, measured_durations(list(wholes)), strict=True))
    kept, left_out = [], []
    for utterance in utterances:
        length = lengths[_whole(utterance.audio)]
        if isinstance(length, AudioError):
            left_out.append(LeftOut(utterance.id, f"unreadable audio: {length.message}"))
            continue
        problem = _outside(utterance.audio, length)
        if problem:
            left_out.append(LeftOut(utterance.id, f"outside the recording: {problem}"))
        else:
            kept.append(_without_only_channel(_within(utterance, length)))
    return kept, left_out


def _whole(audio: AudioRef) -> AudioRef:
    return replace(audio, start_time=None, end_time=None, extra={})


def _without_only_channel(utterance: Utterance) -> Utterance:
    """Leave the channel out where there is but one: many corpora name channel 0 of mono files."""
    audio = utterance.audio
    if audio.channel != 0 or channels_of(_whole(audio)) > 1:
        return utterance
    return replace(utterance, audio=replace(audio, channel=None))


def _outside(audio: AudioRef, length: Seconds) -> str | None:
    start = audio.start_time or 0.0
    end = length if audio.end_time is None else audio.end_time
    if start >= length or end > length + END_TOLERANCE:
        return f"{start:.2f} to {end:.2f} s of {audio.path}, which lasts {length:.2f} s"
    return None


def _within(utterance: Utterance, length: Seconds) -> Utterance:
    """Cut rounded times at the end of the file and state the duration."""
    audio = utterance.audio
    if audio.end_time is not None:
        # Many corpora state the length of every file; the whole of it needs no cut.
        is_whole = audio.start_time is None and audio.end_time > length - _ROUNDED
        audio = replace(audio, end_time=None if is_whole else min(audio.end_time, length))
    end = length if audio.end_time is None else audio.end_time
    duration = round(end - (audio.start_time or 0.0), 3)
    sentences = utterance.sentences
    if sentences:
        sentences = tuple(
            replace(each, start=min(each.start, duration), end=min(each.end, duration))
            for each in sentences
        )
    return replace(utterance, audio=audio, duration=duration, sentences=sentences)


@lru_cache(maxsize=4096)
def channels_of(audio: AudioRef) -> int:
    """Return how many channels a sound's file has; pieces of one file follow each other."""
    return header_channels(audio)
