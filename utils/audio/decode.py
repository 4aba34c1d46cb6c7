"""Audio files -> samples as they are: every channel, at the file's own rate.

soundfile reads wav, flac, ogg and opus; PyAV reads those and everything else (m4a, mp4, webm, amr,
...). MP3 has no length that can be believed, and is read frame by frame (`mpeg.py`) wherever its
header is wrong or a piece is wanted. Only the wanted piece is read, where a format allows to seek,
and a member of an uncompressed tar by its byte range. Whatever cannot be read completely raises
`AudioError`; nothing is repaired or replaced.

Dimensions: S samples of one channel, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from utils.audio.clip import AudioRef
from utils.audio.decode_av import av_blocks
from utils.audio.limits import (
    END_TOLERANCE,
    AudioError,
    block_length,
    describe,
    expect_content,
    expect_rate,
    outside,
    sample_at,
    truncated,
    wanted_channel,
)
from utils.audio.mpeg import mpeg_blocks
from utils.audio.mpeg_frames import is_mpeg, mpeg_length
from utils.audio.open_file import open_soundfile

# Formats (as libsndfile calls them) whose headers count every sample.
_LOSSLESS = ("WAV", "WAVEX", "FLAC", "AIFF", "AU", "W64", "RF64", "CAF")
_LOSSY = "MPEG_LAYER_III"  # in any of them


def decode_audio(ref: AudioRef) -> tuple[np.ndarray, int]:
    """Read the samples that `ref` names.

    Args:
        ref: a file, with times a piece of it, with a byte range a file inside an uncompressed tar.

    Returns:
        samples, float32 (S, C) with S >= 1, nominally in [-1, 1] (a file of floats may pass it);
        C is 1 where `ref` names a channel. And the sampling rate in Hz.

    Raises:
        AudioError: missing, empty, truncated, not decodable, not finite, the piece lies outside, or
            the file lacks the channel.
    """
    blocks = list(decode_blocks(ref))
    if len(blocks) == 1:
        return blocks[0]
    return np.concatenate([samples for samples, _ in blocks]), blocks[0][1]


def decode_blocks(ref: AudioRef) -> Iterator[tuple[np.ndarray, int]]:
    """Read the samples that `ref` names a little at a time: a day of them has gigabytes.

    Args:
        ref: as of `decode_audio`.

    Yields:
        samples, float32 (S, C) with S >= 1, `BLOCK_VALUES` of them and ten minutes at most, and
        the sampling rate in Hz. All blocks have one C and one rate.

    Raises:
        AudioError: as of `decode_audio`, possibly after some blocks.
    """
    expect_content(ref)
    is_empty = True
    for channels, rate in _blocks(ref):
        samples = wanted_channel(ref, channels)
        bad = samples.size - int(np.count_nonzero(np.isfinite(samples)))
        if bad:
            raise AudioError(
                f"{describe(ref)} has {bad} of {samples.size} samples that are no finite numbers",
                "make the file again, or leave the utterance out",
                kind="not finite",
            )
        is_empty = False
        yield samples, rate
    if is_empty:
        raise AudioError(f"{describe(ref)} holds no samples", kind="empty")


def _blocks(ref: AudioRef) -> Iterator[tuple[np.ndarray, int]]:
    is_piece = ref.start_time is not None or ref.end_time is not None
    is_stated = False
    if is_mpeg(ref):
        _, is_stated = mpeg_length(ref)
        if is_piece or not is_stated:
            yield from mpeg_blocks(ref)
            return
    file = open_soundfile(ref)
    if file is None:
        yield from av_blocks(ref)
        return
    if file.format == "MP3" and not is_stated:  # behind something that is no tag
        file.close()
        yield from mpeg_blocks(ref)
        return
    with file:
        expect_rate(ref, file.samplerate)
        yield from _soundfile_blocks(ref, file)


def _soundfile_blocks(ref: AudioRef, file: Any) -> Iterator[tuple[np.ndarray, int]]:
    """Read the wanted piece: float32 (S, C), rate in Hz."""
    import soundfile

    rate, frames = file.samplerate, file.frames
    position = sample_at(ref.start_time or 0.0, rate)
    last = frames if ref.end_time is None else min(frames, sample_at(ref.end_time, rate))
    if position >= frames > 0:
        raise outside(ref, frames / rate)
    most = block_length(rate, file.channels)
    try:
        _go_to(file, position, most)
        while position < last:
            samples = file.read(min(most, last - position), dtype="float32", always_2d=True)
            if not len(samples):
                break
            position += len(samples)
            yield samples, rate
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise AudioError(
            f"{describe(ref)} is damaged: {str(error).strip()}",
            "copy or download it again",
            kind="truncated",
        ) from None
    # The header of a lossy file counts whole frames, of which the decoder leaves some out.
    is_exact = file.format in _LOSSLESS and file.subtype != _LOSSY
    tolerance = 0 if is_exact else round(END_TOLERANCE * rate)
    if position < last - tolerance:
        raise truncated(ref, position / rate, frames / rate)


def _go_to(file: Any, position: int, most: int) -> None:
    """Bring an open file to a sample; where libsndfile cannot seek (GSM 6.10, G.72x), read on."""
    if not position:
        return
    if file.seekable():
        file.seek(position)
        return
    while position > 0:
        skipped = len(file.read(min(most, position), dtype="float32"))
        if not skipped:
            return
        position -= skipped
