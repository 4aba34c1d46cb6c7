"""The microphone and the loudspeaker, through PortAudio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.audio.load import SAMPLE_RATE
from utils.cli.errors import UserError
from utils.cli.extras import how_to

BLOCK = SAMPLE_RATE // 10


def open_microphone(take: Callable[[np.ndarray], None]) -> Any:
    """Open the default microphone.

    Args:
        take: called, in a thread of its own, with float32 `(1600,)`: a tenth of a second, 16 kHz.

    Returns:
        A stream with `start`, `stop` and `close`; as a context it records from start to end.

    Raises:
        UserError: sounddevice or PortAudio is missing, or there is no microphone.
    """
    sounddevice = sound_library()

    def keep(block: np.ndarray, frames: int, clock: Any, status: Any) -> None:
        take(block[:, 0].copy())

    try:
        return sounddevice.InputStream(
            samplerate=SAMPLE_RATE, channels=1, dtype="float32", blocksize=BLOCK, callback=keep
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the microphone cannot be recorded: {reason}",
            "is one connected, and may programs use it? `python -m sounddevice` lists them",
        ) from None


def open_loudspeaker(fill: Callable[[int], np.ndarray]) -> Any:
    """Open the default loudspeaker.

    Args:
        fill: called, in a thread of its own, for so many samples; returns float32 of at most so
            many, 16 kHz. Fewer end the sound.

    Returns:
        A stream with `start`, `stop` and `close`.

    Raises:
        UserError: sounddevice or PortAudio is missing, or there is no loudspeaker.
    """
    sounddevice = sound_library()

    def give(block: np.ndarray, frames: int, clock: Any, status: Any) -> None:
        samples = fill(frames)
        block[: len(samples), 0] = samples
        block[len(samples) :] = 0
        if len(samples) < frames:
            raise sounddevice.CallbackStop

    try:
        return sounddevice.OutputStream(
            samplerate=SAMPLE_RATE, channels=1, dtype="float32", callback=give
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the sound cannot be played: {reason}",
            "is a loudspeaker connected? `python -m sounddevice` lists the devices",
        ) from None


def sound_library() -> Any:
    """The module sounddevice.

    Raises:
        UserError: it, or PortAudio, is missing.
    """
    try:
        import sounddevice
    except ImportError:
        message = "the microphone and the loudspeaker need sounddevice"
        raise UserError(message, how_to("sounddevice")) from None
    except OSError:
        raise UserError(
            "the microphone and the loudspeaker need the library PortAudio",
            "Debian and Ubuntu: apt-get install libportaudio2",
        ) from None
    return sounddevice
