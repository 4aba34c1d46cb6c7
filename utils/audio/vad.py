"""Where somebody speaks, by Silero's voice detector.

The detector is the ONNX file in faster-whisper's wheel: 1.2 MB that run in onnxruntime. Silero's
own wheel has 11 MB and pins torchaudio below the torch that is used here; the model is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from utils.audio.clip import AudioRef, Seconds
from utils.audio.features import SAMPLE_RATE
from utils.audio.load import load_audio
from utils.audio.segmentation import Stretch

# Half a second of silence ends a stretch: long enough not to cut in a stop consonant.
SILENCE_MS = 500
# Kept on both sides, so that quiet beginnings and ends of words are in.
PAD_MS = 200
# The detector misses quiet speech (a recording of 52 s in which two people speak: 24 s found as it
# is, 37 s at this peak, 44 s with the second pass), so it is given all at one level; noise is not
# raised by more than 20 dB.
PEAK = 0.9
MOST_GAIN = 10.0
# A quiet speaker beside a loud one: a longer gap in the speech is examined again on its own, at its
# own level, and without what the recurrent detector remembers of the loud speech.
GAP_SECONDS: Seconds = 2.0
BLOCK_SECONDS: Seconds = 60.0  # the detector takes 30 MB for so much
SURENESS = 0.5  # what the detector's authors take


def speech_in(samples: np.ndarray, longest: Seconds, sureness: float = SURENESS) -> list[Stretch]:
    """Find where somebody speaks.

    Args:
        samples: float32 `(num_samples,)`, mono, 16 kHz.
        longest: speech without a pause is cut at its quietest places after so many seconds.
        sureness: how probable speech must be where a stretch begins, 0 to 1.

    Returns:
        Stretches in seconds, in order, with a little silence on both sides.
    """
    from faster_whisper.vad import VadOptions

    options = VadOptions(
        threshold=sureness,
        min_silence_duration_ms=SILENCE_MS,
        speech_pad_ms=PAD_MS,
        max_speech_duration_s=longest,
    )
    found = _detect(samples, options)
    edges = [0, *(edge for part in found for edge in part), len(samples)]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if found and end - start >= GAP_SECONDS * SAMPLE_RATE:
            again = _detect(samples[start:end], options)
            found = sorted([*found, *((start + first, start + last) for first, last in again)])
    return [(first / SAMPLE_RATE, last / SAMPLE_RATE) for first, last in found]


def _detect(samples: np.ndarray, options: Any) -> list[tuple[int, int]]:
    """Speech at one level, as (first sample, end)."""
    from faster_whisper.vad import get_speech_timestamps

    peak = float(np.abs(samples).max(initial=0.0))
    if not peak:
        return []
    gain = np.float32(min(MOST_GAIN, PEAK / peak))
    found = get_speech_timestamps(samples * gain, options, SAMPLE_RATE)
    return [(each["start"], each["end"]) for each in found]


def speech_of(path: Path, length: Seconds, longest: Seconds) -> list[Stretch]:
    """Find where somebody speaks in a file of any length.

    Args:
        path: a recording that can be read in pieces.
        length: of it, in seconds.
        longest: see `speech_in`.
    """

    def read(start: Seconds, end: Seconds) -> np.ndarray:
        return load_audio(AudioRef(str(path), start, end))

    return speech_throughout(read, length, longest)


def speech_throughout(
    read: Callable[[Seconds, Seconds], np.ndarray], length: Seconds, longest: Seconds
) -> list[Stretch]:
    """Find where somebody speaks, a minute at a time; nothing is cut where two of them meet.

    Args:
        read: gives samples, float32 `(num_samples,)` at 16 kHz, from one second to another.
        length: of the recording, in seconds.
        longest: see `speech_in`.
    """
    found: list[Stretch] = []
    start = 0.0
    while start < length:
        end = min(start + BLOCK_SECONDS, length)
        for first, last in speech_in(read(start, end), longest):
            found.append((start + first, min(start + last, end)))
        # Speech that goes on at the block's end is looked at again, as a whole.
        goes_on = end < length and found and found[-1][1] > end - 1e-3
        start = found.pop()[0] if goes_on and found[-1][0] > start else end
    return found
