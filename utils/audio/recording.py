"""A recording of any kind and length -> one 16 kHz mono FLAC file, a little at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from utils.audio.clip import Seconds
from utils.audio.decode import AudioError
from utils.audio.decode_av import open_container
from utils.audio.features import SAMPLE_RATE
from utils.cli.leftovers import unfinished


def store_mono(source: Path, target: Path) -> Seconds:
    """Decode a recording to 16 kHz mono and write it as FLAC with 16 bits.

    Args:
        source: anything that FFmpeg reads; its first sound track is taken.
        target: the file to write, whole or not at all; its folder is made.

    Returns:
        How long it is.

    Raises:
        AudioError: it is missing, empty, or cannot be decoded to its end.
    """
    if not source.is_file() or source.stat().st_size == 0:
        raise AudioError(f"{source} is missing or empty", "copy it again", kind="missing")
    written = 0
    with unfinished(target) as path:
        with soundfile.SoundFile(
            path, "w", SAMPLE_RATE, 1, format="FLAC", subtype="PCM_16"
        ) as file:
            for samples in _mono(source):
                file.write(np.clip(samples, -1.0, 1.0))
                written += len(samples)
        if not written:
            raise AudioError(f"{source} holds no sound", kind="empty")
        os.replace(path, target)
    return written / SAMPLE_RATE


def _mono(source: Path) -> Iterator[np.ndarray]:
    """Yield samples, float32 `(num_samples,)`, mean of the channels, 16 kHz."""
    import av

    try:
        with open_container(str(source)) as container:
            if not container.streams.audio:
                raise AudioError(f"{source} has no sound track", "is it a recording?")
            planar = av.AudioResampler(format="fltp")
            stream: soxr.ResampleStream | None = None
            for frame in container.decode(container.streams.audio[0]):
                for plain in planar.resample(frame):
                    if stream is None:
                        stream = soxr.ResampleStream(plain.sample_rate, SAMPLE_RATE, 1, "float32")
                    mono = plain.to_ndarray().mean(axis=0, dtype=np.float32)
                    yield stream.resample_chunk(mono)
            if stream is not None:
                yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
    except (av.error.FFmpegError, ValueError, UnicodeDecodeError) as error:
        raise AudioError(
            f"{source} cannot be decoded to its end: {error}", "copy or download it again"
        ) from None
