"""Sound that libsndfile does not read (m4a, mp4, webm, amr, ...), through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

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
from utils.audio.mpeg import mpeg_blocks

# Containers with an index: a seek lands where it says, and the duration in the header is true.
_INDEXED_CONTAINERS = ("mp4", "matroska", "webm")
# A seek goes to an earlier packet: decoders need some sound before what they give is right.
_PREROLL: Seconds = 0.5


# What these kinds of file hold is the names of others, on this machine or elsewhere; or they stand
# for a device. A sound is in its file: one that somebody sent must not bring in this machine's.
_LISTS_AND_DEVICES = frozenset(
    {
        *("concat", "concatf", "hls", "applehttp", "dash", "webm_dash_manifest", "imf", "lavfi"),
        *("image2", "image2pipe", "sdp", "rtsp", "rtp", "sap", "avisynth", "vapoursynth", "vobsub"),
        *("smoothstreaming", "tee", "segment", "stream_segment", "ssegment", "fifo"),
    }
)


@lru_cache(maxsize=1)
def _options() -> dict[str, str]:
    import av

    kinds = [name for name in av.formats_available if not _LISTS_AND_DEVICES & set(name.split(","))]
    return {"format_whitelist": ",".join(sorted(kinds)), "protocol_whitelist": "file"}


def open_container(source: str | BinaryIO) -> Any:
    """Open a file with PyAV; playlists and other lists of files are none.

    Args:
        source: path, or content.

    Raises:
        av.error.FFmpegError: it is no kind of file that holds sound itself.
    """
    import av

    return av.open(source, options=_options())


def av_blocks(ref: AudioRef) -> Iterator[tuple[np.ndarray, int]]:
    """Decode the wanted piece of a file.

    Yields:
        samples, float32 (S, C) with S >= 1, and the rate in Hz.

    Raises:
        AudioError: it cannot be decoded, is truncated, or the piece lies outside.
    """
    import av

    try:
        with open_container(open_source(ref)) as container:
            if container.format.name == "mp3":  # behind something that is no tag
                yield from mpeg_blocks(ref)
                return
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
    except av.error.PatchWelcomeError:
        raise AudioError(
            f"{describe(ref)} holds streams of different rates or channels, one behind the other",
            "files that were joined must be alike: decode each, then join them",
            kind="joined",
        ) from None
    except (av.error.FFmpegError, ValueError, UnicodeDecodeError) as error:
        raise AudioError(
            f"{describe(ref)} is no audio that can be read: {error}",
            "play it to see whether it is whole; anything that ffmpeg reads will do",
        ) from None


def sound_track(ref: AudioRef, container: Any) -> Any:
    """Return the first sound track of an open file.

    Raises:
        AudioError: it has none, or one of an unknown codec.
    """
    if not container.streams.audio:
        raise AudioError(f"{describe(ref)} has no sound track", "is it an audio file?")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise AudioError(
            f"{describe(ref)} has a sound track that no decoder knows",
            "save it in another form, such as flac",
        )
    return stream


def _wanted_chunks(ref: AudioRef, container: Any, stream: Any) -> Iterator[tuple[np.ndarray, int]]:
    """Yield what lies between the times of `ref`; float32 (S, C) with S >= 1, rate in Hz."""
    start = min(ref.start_time or 0.0, NEVER)
    stated = stated_duration(container, stream)
    if stated is not None and start >= stated + END_TOLERANCE:
        raise outside(ref, stated)
    origin = None
    if stated is not None and start > _PREROLL:
        origin = _first_frame(container, stream)
        container.seek(
            int(origin.pts + (start - _PREROLL) / stream.time_base) if origin else 0, stream=stream
        )
    rate = 0
    position = 0  # of the next sample, in samples from the beginning of the sound
    for chunk, chunk_position, rate in sound_chunks(container, stream, origin):
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


class _First(NamedTuple):
    """The first frame that a decoder gives: its time stamp, and its samples of each channel.

    What it begins with is the beginning of the sound, whatever its time stamp: what comes before
    is the codec's run-in, which decoders leave out.
    """

    pts: int
    samples: int


def _first_frame(container: Any, stream: Any) -> _First | None:
    """Decode the first frame; None where it has no time stamp, so that nothing can be sought."""
    for frame in container.decode(stream):
        return None if frame.pts is None else _First(frame.pts, frame.samples)
    return None


def sound_chunks(
    container: Any, stream: Any, origin: _First | None = None
) -> Iterator[tuple[np.ndarray, int | None, int]]:
    """Yield (samples float32 (S, C), position in samples of the first if known, rate in Hz).

    Only after a seek is the file asked for a position, and only once: later ones would turn jitter
    of time stamps into gaps and overlaps.

    Args:
        container: an open file.
        stream: its sound track.
        origin: the first frame of the sound, after a seek; None reads from the beginning.
    """
    import av

    resampler = av.AudioResampler(format="fltp")
    known = origin is None
    for frame in container.decode(stream):
        position = None
        if not known and origin is not None and frame.pts is not None:
            position = _position(frame, origin, stream)
        known = True
        for plain in resampler.resample(frame):
            yield plain.to_ndarray().T, position, plain.sample_rate
            position = None


def _position(frame: Any, origin: _First, stream: Any) -> int:
    """Return which sample a frame begins with, from its time stamp.

    Matroska rounds those to milliseconds; where all frames have one length, they say the rest.
    """
    position = max(0, round((frame.pts - origin.pts) * stream.time_base * frame.sample_rate))
    codec = stream.codec_context
    length = codec.frame_size or (frame.samples if codec.name in ("opus", "libopus") else 0)
    is_exact = stream.time_base * frame.sample_rate <= 1
    if is_exact or not position or frame.samples != length:
        return position
    return int(origin.samples + round((position - origin.samples) / length) * length)


def stated_duration(container: Any, stream: Any) -> Seconds | None:
    """Return the duration that an open file states, None for kinds that are no true index."""
    if not any(name in container.format.name for name in _INDEXED_CONTAINERS):
        return None
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None:
        return float(container.duration / 1_000_000)
    return None
