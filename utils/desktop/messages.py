"""What the window and the process that recognises say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.audio.clip import Seconds
from utils.transcription.infer.settings import InferSettings

# --------------------------------------------------------------------------------------------------
# What the window asks for.


@dataclass(frozen=True)
class Open:
    """Decode a recording, to be seen and played.

    Attributes:
        path: of a sound or video file.
    """

    path: str


@dataclass(frozen=True)
class Transcribe:
    """Transcribe a recording.

    Attributes:
        path: of a sound or video file.
        settings: as infer.py has them.
    """

    path: str
    settings: InferSettings


# --------------------------------------------------------------------------------------------------
# What the process answers.


@dataclass(frozen=True)
class Opened:
    """The recording can be seen and played.

    Attributes:
        path: as it was asked for.
        seconds: length.
        samples_path: file of float32 values, mono, 16 kHz.
        peaks: float32 `(num_bars,)`, the loudest sample of each part, in [0, 1].
    """

    path: str
    seconds: Seconds
    samples_path: str
    peaks: np.ndarray


@dataclass(frozen=True)
class Moved:
    """So much of the recording is transcribed.

    Attributes:
        share: in [0, 1].
    """

    share: float


@dataclass(frozen=True)
class Heard:
    """Sentences were recognised.

    Attributes:
        sentences: start and end in seconds, text.
    """

    sentences: tuple[tuple[Seconds, Seconds, str], ...]


@dataclass(frozen=True)
class Transcribed:
    """All of the recording is transcribed.

    Attributes:
        transcript: as infer.py writes it: text, language and segments.
    """

    transcript: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """What was asked for could not be done.

    Attributes:
        message: what was found and what was expected.
        hint: what to do next; may be empty.
    """

    message: str
    hint: str = ""


Question = Open | Transcribe
Answer = Opened | Moved | Heard | Transcribed | Failed
