"""Sound that libsndfile does not read (m4a, mp4, webm, amr, ...), through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from utils.audio.clip import AudioRef, Seconds
from utils.audio.limits import (
    END_TOLERANCE,
    NEVER,
    AudioError,
    block_length,
    describe,
    expect_rate,
    open_source,
    outside,
    sample_at,
    truncated,
)

# Containers with an index: a seek lands where it says, and the duration in the header is true.
_INDEXED_CONTAINERS = ("mp4", "matroska", "webm")
# A seek goes to an earlier packet: decoders need some sound before what they give is right.
_PREROLL: Seconds = 0.5


def av_blocks(ref: AudioRef) -> Iterator[tuple[np.ndarray, int]]:
    """Decode the wanted piece of a file.

    Yields:
        samples, float32 (S, C) with S >= 1, and the rate in Hz.

    Raises:
        AudioError: it cannot be decoded, is truncated, or the piece lies outside.
    """
    import av

    try:
        with av.open(open_source(ref)) as container:
            stream = sound_track(ref, container)
            chunks: list[np.ndarray] = []
            held = 0
            for chunk, rate in _wanted_chunks(ref, container, stream):
                if chunks and held + len(chunk) > block_length(rate, chunk.shape[1]):
                    yield np.concatenate(chunks), rate
                    chunks, held = [], 0
                chunks.append(chunk)
                held += len(chunk)
            if chunks:
                yield np.concatenate(chunks), rate
    except (av.error.FFmpegError, ValueError, UnicodeDecodeError) as error:
        raise AudioError(
            f"{describe(ref)} is no audio that can be read: {error}",
            "play it to see whether it is whole; anything that ffmpeg reads will do",
        ) from None


def sound_track(ref: AudioRef, container: Any) -> Any:
    """Return the first sound track of an open file.

    Raises:
        AudioError: it has none.
    """
    if not container.streams.audio:
        raise AudioError(f"{describe(ref)} has no sound track", "is it an audio file?")
    return container.streams.audio[0]


def _wanted_chunks(ref: AudioRef, container: Any, stream: Any) -> Iterator[tuple[np.ndarray, int]]:
    """Yield what lies between the times of `ref`; float32 (S, C) with S >= 1, rate in Hz."""
    start = min(ref.start_time or 0.0, NEVER)
    stated = stated_duration(container, stream)
    if stated is not None and start >= stated + END_TOLERANCE:
        raise outside(ref, stated)
    if stated is not None and start > _PREROLL:
        origin = stream.start_time or 0
        stream_time = int((start - _PREROLL) / stream.time_base)
        container.seek(origin + stream_time, stream=stream)
    rate = 0
    position = 0  # of the next sample, in samples from the beginning of the sound
    for chunk, chunk_position, rate in sound_chunks(container, stream):
        expect_rate(ref, rate)
        position = chunk_position if chunk_position is not None else position
        first = max(0, sample_at(start, rate) - position)
        last = None if ref.end_time is None else sample_at(ref.end_time, rate) - position
        position += len(chunk)
        if last is not None and last <= 0:
            break
        if len(chunk[first:last]):
            yield np.ascontiguousarray(chunk[first:last], dtype=np.float32), rate
    if rate and position <= sample_at(start, rate):
        raise outside(ref, position / rate)
    wanted = stated if ref.end_time is None or stated is None else min(stated, ref.end_time)
    if wanted is not None and rate and position / rate < wanted - max(0.5, 0.02 * wanted):
        raise truncated(ref, position / rate, wanted)


def sound_chunks(container: Any, stream: Any) -> Iterator[tuple[np.ndarray, int | None, int]]:
    """Yield (samples float32 (S, C), position in samples of the first if known, rate in Hz).

    Only the first position is asked of the file: later ones would turn jitter of time stamps into
    gaps and overlaps.
    """
    import av

    resampler = av.AudioResampler(format="fltp")
    known = False
    for frame in container.decode(stream):
        position = None
        if not known and frame.pts is not None:
            seconds = (frame.pts - (stream.start_time or 0)) * stream.time_base
            # Before 0 lies the codec's run-in, which decoders leave out by themselves.
            position = max(0, round(seconds * frame.sample_rate))
        known = True
        for plain in resampler.resample(frame):
            yield plain.to_ndarray().T, position, plain.sample_rate
            position = None


def stated_duration(container: Any, stream: Any) -> Seconds | None:
    """Return the duration that an open file states, None for kinds that are no true index."""
    if not any(name in container.format.name for name in _INDEXED_CONTAINERS):
        return None
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None:
        return float(container.duration / 1_000_000)
    return None
