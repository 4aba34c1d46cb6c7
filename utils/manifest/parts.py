"""A long sound in parts that fit into memory: a day of 16 kHz is 5.5 GB once it is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from utils.manifest.decode import AudioError, decode_audio, header_duration
from utils.manifest.utterance import AudioRef, Seconds

PART_SECONDS: Seconds = 600.0


def parts_of(audio: AudioRef) -> Iterator[AudioRef]:
    """Yield a sound in parts of at most ten minutes.

    What is short, or cannot be read, is yielded as it is: whoever decodes it says what is wrong.
    """
    longest, start = PART_SECONDS, audio.start_time or 0.0
    try:
        length = header_duration(audio)
    except AudioError:
        length = 0.0
    if length <= longest:
        yield audio
        return
    last = start + length
    while start < last:
        # The last part has no end but that of the sound: a header may round its length down.
        end = start + longest if start + longest < last else audio.end_time
        yield replace(audio, start_time=start, end_time=end)
        start += longest


def decode_parts(audio: AudioRef) -> Iterator[tuple[np.ndarray, int]]:
    """Decode a sound part by part.

    Yields:
        samples, float32 (S, C) with S >= 1, and the sampling rate in Hz.

    Raises:
        AudioError: as of `decode_audio`.
    """
    heard = False
    for part in parts_of(audio):
        try:
            yield decode_audio(part)
        except AudioError as error:
            # A header may round a length up, and a cut may pass the end: nothing is missing.
            if not heard or error.kind not in ("outside", "empty"):
                raise
            return
        heard = True
