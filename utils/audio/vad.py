"""Where somebody speaks, by Silero's voice detector.

The detector is the ONNX file in faster-whisper's wheel: 1.2 MB that run in onnxruntime. Silero's
own wheel has 11 MB and pins torchaudio below the torch that is used here; the model is the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.audio.clip import Seconds
from utils.audio.features import SAMPLE_RATE
from utils.audio.recording import blocks
from utils.audio.segmentation import Stretch

# Half a second of silence ends a stretch: long enough not to cut in a stop consonant.
SILENCE_MS = 500
# Kept on both sides, so that quiet beginnings and ends of words are in.
PAD_MS = 200
# The detector misses quiet speech (a recording of 52 s in which two people speak: 24 s found as it
# is, 37 s at this peak), so it hears all at one level; noise is not raised by more than 20 dB.
PEAK = 0.9
MOST_GAIN = 10.0
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
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        threshold=sureness,
        min_silence_duration_ms=SILENCE_MS,
        speech_pad_ms=PAD_MS,
        max_speech_duration_s=longest,
    )
    peak = float(np.abs(samples).max(initial=0.0))
    gain = min(MOST_GAIN, PEAK / peak) if peak else 1.0
    found = get_speech_timestamps(samples * np.float32(gain), options, SAMPLE_RATE)
    return [(each["start"] / SAMPLE_RATE, each["end"] / SAMPLE_RATE) for each in found]


def speech_of(path: Path, length: Seconds, longest: Seconds) -> list[Stretch]:
    """Find where somebody speaks in a recording of any length, ten minutes at a time.

    Args:
        path: a recording that can be read in pieces.
        length: of it, in seconds.
        longest: see `speech_in`.
    """
    return [
        (start + first, min(start + last, length))
        for start, samples in blocks(path, length)
        for first, last in speech_in(samples, longest)
    ]
