"""What every way of reading sound shares: what is refused, in which words, and how much at a time.

Dimensions: S samples of one channel, C channels.
"""

from __future__ import annotations

import io
import os
import unicodedata
from typing import Any, BinaryIO

import numpy as np

from utils.audio.clip import AudioRef, Seconds
from utils.cli.errors import UserError

# A file may end this much earlier than a cut says: frames of codecs and rounded times.
END_TOLERANCE: Seconds = 0.1
# What is held at a time: ten minutes of 16 kHz mono, 38 MB. A header may state any number of
# samples, so no more than this is set aside before they are seen.
BLOCK_VALUES = 9_600_000
BLOCK_SECONDS: Seconds = 600.0
# No recording is slower or faster; a damaged header that says so would be resampled to gigabytes.
_RATES = range(1_000, 1_000_001)
# Times beyond any recording, in seconds, which would overflow as numbers of samples.
NEVER: Seconds = 1e9


class AudioError(UserError):
    """An audio file that cannot be read; `kind` groups such files in a report.

    Kinds: `missing`, `empty`, `truncated`, `undecodable`, `not finite`, `joined` (a second file
    behind the first), `outside` (the piece wanted begins after the end of the file) and `channel`
    (the file does not have the channel wanted).
    """

    def __init__(self, message: str, hint: str = "", kind: str = "undecodable") -> None:
        super().__init__(message, hint)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        # Crosses from a worker process with its hint and kind.
        return type(self), (self.message, self.hint, self.kind)


def describe(ref: AudioRef) -> str:
    """Name the audio in an error: its path, and the byte range or the piece if it is one."""
    name = ref.path
    if ref.offset is not None and ref.size is not None:
        name += f" (bytes {ref.offset} to {ref.offset + ref.size})"
    if ref.start_time is not None or ref.end_time is not None:
        end = "end" if ref.end_time is None else f"{ref.end_time:g} s"
        name += f" ({ref.start_time or 0.0:g} s to {end})"
    if ref.channel is not None:
        name += f" (channel {ref.channel})"
    return name


# ---------------------------------------------------------------------------------------------
# Before decoding.


def expect_content(ref: AudioRef) -> int:
    """Refuse what is missing, no file, or empty, and a byte range outside its file.

    Returns:
        The size of the file in bytes.

    Raises:
        AudioError: naming which.
    """
    path = ref.path
    try:
        size = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError(
            f"there is no audio file {path}",
            _alike(path) or "paths are relative to the manifest's folder, or to the current folder",
            kind="missing",
        ) from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{path!r} cannot be opened: {error}", kind="missing") from None
    if os.path.isdir(path):
        raise AudioError(f"{path} is a folder, not an audio file", kind="missing")
    if size == 0:
        raise AudioError(f"{path} is empty (0 bytes)", "copy it again", kind="empty")
    if ref.offset is not None and ref.size is not None and ref.offset + ref.size > size:
        raise AudioError(
            f"{describe(ref)} lies outside the file, which has {size} bytes",
            "the tar and its manifest do not belong together, or the tar was cut off",
            kind="truncated",
        )
    return size


def _alike(path: str) -> str:
    """Say which file `ls` shows under a name that reads like the one that is missing."""
    folder, name = os.path.split(path.replace("\\", "/"))
    key = unicodedata.normalize("NFC", name).casefold()
    try:
        entries = os.listdir(folder or ".")
    except (OSError, ValueError):
        return ""
    for entry in entries:
        if unicodedata.normalize("NFC", entry).casefold() != key:
            continue
        if "\\" in path:
            return f"{os.path.join(folder, entry)} is there: write / in place of \\"
        form = "case" if entry.casefold() == name.casefold() else "Unicode form (NFC or NFD)"
        return f"{entry!r} is there, which differs in its {form}: rename it, or correct the path"
    return ""


def open_source(ref: AudioRef) -> str | BinaryIO:
    """Return what the libraries open: the path, or the bytes of a tar member.

    Raises:
        AudioError: the tar cannot be read.
    """
    if ref.offset is None or ref.size is None:
        return ref.path
    try:
        with open(ref.path, "rb") as file:
            file.seek(ref.offset)
            return io.BytesIO(file.read(ref.size))
    except OSError as error:
        raise AudioError(f"{describe(ref)} cannot be read: {error}") from None


def outside(ref: AudioRef, total: Seconds) -> AudioError:
    """Return the error for a piece that begins after the end of its file."""
    return AudioError(
        f"{describe(ref)} begins after the end of the sound, which lasts {total:g} s",
        "correct the start_time, or copy the file again if it should be longer",
        kind="outside",
    )


def truncated(ref: AudioRef, found: Seconds, stated: Seconds) -> AudioError:
    """Return the error for a file that ends before its header says."""
    return AudioError(
        f"{describe(ref)} is truncated: {found:.2f} s of {stated:.2f} s can be read",
        "copy or download it again",
        kind="truncated",
    )


def sample_at(seconds: Seconds, rate: int) -> int:
    """Return which sample comes at a time, however late that is."""
    return round(min(seconds, NEVER) * rate)


def block_length(rate: int, channels: int) -> int:
    """Return how many samples of each channel a block has at most."""
    return max(1, min(BLOCK_VALUES // max(channels, 1), round(BLOCK_SECONDS * rate)))


def expect_rate(ref: AudioRef, rate: int) -> None:
    """Refuse a sampling rate that no recording has.

    Raises:
        AudioError: it is not between 1 kHz and 1 MHz.
    """
    if rate not in _RATES:
        raise AudioError(
            f"{describe(ref)} states a sampling rate of {rate} Hz",
            "its header is damaged: copy or make it again",
        )


# ---------------------------------------------------------------------------------------------
# Channels.


def expect_channel(ref: AudioRef, channels: int) -> None:
    """Refuse a channel that the file does not have.

    Raises:
        AudioError: naming the channels that it has.
    """
    if ref.channel is not None and ref.channel >= channels:
        has = "only channel 0" if channels == 1 else f"only channels 0 to {channels - 1}"
        raise AudioError(
            f"{describe(ref)} cannot be read: the file has {has}",
            "channels are counted from 0; without audio.channel the mean of all is taken",
            kind="channel",
        )


def wanted_channel(ref: AudioRef, samples: np.ndarray) -> np.ndarray:
    """Return the channel that `ref` names, all where it names none.

    Args:
        ref: the sound that is read.
        samples: float32 (S, C).

    Returns:
        float32 (S, 1) or (S, C).

    Raises:
        AudioError: there is no such channel.
    """
    expect_channel(ref, samples.shape[1])
    if ref.channel is None:
        return samples
    return np.ascontiguousarray(samples[:, ref.channel : ref.channel + 1])
