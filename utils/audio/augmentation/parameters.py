"""How an augmentation says that a parameter is out of range, and finds recordings to mix in."""

from __future__ import annotations

import os
from pathlib import Path

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import AudioError
from utils.audio.header import header_duration
from utils.cli.errors import UserError

AUDIO_SUFFIXES = frozenset(
    (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".mp4", ".webm", ".aac", ".mka", ".wma")
)


def expect(is_good: bool, name: str, expected: str) -> None:
    """See that a parameter is within its range.

    Raises:
        ValueError: naming the parameter and what it must be.
    """
    if not is_good:
        raise ValueError(f"{name} must be {expected}")


def recordings_in(folder: Path, what: str, name: str) -> tuple[tuple[str, Seconds], ...]:
    """Return path and duration of every audio file below a folder, in the order of their names.

    Args:
        folder: of recordings that are mixed in.
        what: they are, for errors.
        name: of the parameter that names the folder.

    Raises:
        UserError: the folder is missing, has no audio, or has audio that cannot be read.
    """
    if not os.path.isdir(folder):  # which takes a name of any length
        raise UserError(
            f"there is no folder {folder} with {what} ({name})",
            f"put recordings of {what} there, or set the prob to 0",
        )
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not paths:
        raise UserError(
            f"{folder} has no audio files ({name})", f"known are {', '.join(AUDIO_SUFFIXES)}"
        )
    try:
        return tuple((str(path), header_duration(AudioRef(str(path)))) for path in paths)
    except AudioError as error:
        raise UserError(f"{what}: {error.message}", f"fix it, or take it out of {name}") from None
