"""MPEG audio (MP3 and its layers 1 and 2) -> samples: any piece as the whole file has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from utils.audio.clip import AudioRef
from utils.audio.limits import AudioError, block_length, describe, outside
from utils.audio.mpeg_frames import FileBytes, MpegSound, Part, frame_header, scan

# Layer 3 takes bits from up to 511 bytes before a frame, which are some frames of a low bit rate.
_PREROLL_BYTES, _PREROLL_FRAMES = 1024, 4
_DECODERS = {1: "mp1float", 2: "mp2float", 3: "mp3float"}


def mpeg_blocks(ref: AudioRef) -> Iterator[tuple[np.ndarray, int]]:
    """Decode the wanted piece: it holds the samples that the whole file has there.

    Yields:
        samples, float32 (S, C) with S >= 1, and the rate in Hz.

    Raises:
        AudioError: as of `scan`, or a frame of the piece is damaged.
    """
    sound = scan(ref)
    rate = sound.header.rate
    if (ref.start_time or 0.0) >= sound.seconds > 0:
        raise outside(ref, sound.seconds)
    begin = round(min(ref.start_time or 0.0, sound.seconds) * rate)
    end = sound.length
    if ref.end_time is not None:
        end = round(min(ref.end_time, sound.seconds) * rate)
    held: list[np.ndarray] = []
    count = 0
    for chunk in _chunks(ref, sound, begin, end):
        if held and count + len(chunk) > block_length(rate, chunk.shape[1]):
            yield np.concatenate(held), rate
            held, count = [], 0
        held.append(chunk)
        count += len(chunk)
    if held:
        yield np.concatenate(held), rate


def _chunks(ref: AudioRef, sound: MpegSound, begin: int, end: int) -> Iterator[np.ndarray]:
    """Yield samples `begin` to `end` of the whole, float32 (S, C) with S >= 1."""
    samples = sound.header.samples
    position = 0
    with FileBytes(ref) as data:
        for part in sound.parts:
            length = (part.last - part.first) * samples - part.skip - part.drop
            # In samples as they are decoded, those that are skipped too.
            start = max(begin - position, 0) + part.skip
            stop = min(end - position, length) + part.skip
            position += max(0, length)
            if start < stop:
                yield from _decoded(ref, data, sound, part, (start, stop))


def _decoded(
    ref: AudioRef, data: FileBytes, sound: MpegSound, part: Part, wanted: tuple[int, int]
) -> Iterator[np.ndarray]:
    import av

    samples = sound.header.samples
    wanted_first = part.first + wanted[0] // samples
    frame = _with_preroll(sound.offsets, wanted_first, part.first)
    last = min(part.last, part.first + -(-wanted[1] // samples))
    decoder: Any = av.CodecContext.create(_DECODERS[sound.header.layer], "r")
    decoder.thread_count = 1
    for number in range(frame, last):
        offset = int(sound.offsets[number])
        header = frame_header(data[offset : offset + 4])
        assert header is not None  # the scan found one
        try:
            decoded = decoder.decode(av.Packet(data[offset : offset + header.length]))
        except av.error.FFmpegError as error:
            if number < wanted_first:
                continue
            seconds = (number - part.first) * samples / sound.header.rate
            raise AudioError(
                f"{describe(ref)} is damaged at about {seconds:.2f} s: {error}",
                "copy or download it again",
                kind="truncated",
            ) from None
        for each in decoded:
            at = (number - part.first) * samples
            chunk = each.to_ndarray().T[max(0, wanted[0] - at) : max(0, wanted[1] - at)]
            if len(chunk) and number >= wanted_first:
                yield _with_channels(chunk, sound.header.channels)


def _with_preroll(offsets: np.ndarray, frame: int, first: int) -> int:
    """Return a frame from which a decoder is right by the time it reaches `frame`."""
    early = int(np.searchsorted(offsets, offsets[frame] - _PREROLL_BYTES, side="left"))
    return max(first, min(early, frame - _PREROLL_FRAMES))


def _with_channels(chunk: np.ndarray, channels: int) -> np.ndarray:
    """Bring a frame that changes between mono and stereo to the channels of the first."""
    if chunk.shape[1] != channels:
        mono = chunk.mean(axis=1, keepdims=True, dtype=np.float32)
        chunk = np.repeat(mono, channels, axis=1)
    return np.ascontiguousarray(chunk, dtype=np.float32)
