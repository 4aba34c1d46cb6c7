"""The frames of MPEG audio (MP3 and its layers 1 and 2), and what Xing frames state about them.

The length of such a file stands nowhere for certain. A Xing frame may state it, and is believed
only where the bytes that it states are the bytes that are there; otherwise the headers of all
frames are walked through. Files that were joined with `cat` are several parts, each perhaps with a
Xing frame of its own; a file from a pipe has none.

Header fields: ISO/IEC 11172-3, 2.4.1.3 and ISO/IEC 13818-3, 2.4.2.3. Xing, Info and VBRI frames and
the encoder's delay: http://gabriel.mp3-tech.org/mp3infotag.html
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from utils.audio.clip import AudioRef, Seconds
from utils.audio.limits import END_TOLERANCE, AudioError, describe, truncated

# Samples by which a decoder of layer 3 is late, which encoders don't count in their delay.
_DECODER_DELAY = 529
_MOST_JUNK = 1 << 16  # bytes before the first frame
_KILOBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# Bytes between the header and a Xing frame's sign, by samples and channels of the frame.
_SIDE_INFORMATION = {(1152, 1): 17, (1152, 2): 32, (576, 1): 9, (576, 2): 17}
# By the two bits of the version: MPEG 2.5, none, 2, 1.
_RATES = ((11025, 12000, 8000), (), (22050, 24000, 16000), (44100, 48000, 32000))


class FrameHeader(NamedTuple):
    """What the four bytes of a frame's header say; `length` in bytes, `samples` a channel."""

    layer: int
    rate: int
    channels: int
    samples: int
    length: int


class Part(NamedTuple):
    """Frames `first` to `last` (not with it), without `skip` samples before and `drop` behind."""

    first: int
    last: int
    skip: int
    drop: int


@dataclass(frozen=True)
class MpegSound:
    """The frames of a file.

    Attributes:
        header: of the first frame; rate, channels and layer are those of all.
        offsets: where each frame begins in the file, int64 (F,).
        parts: one, or where files were joined several.
        length: samples of each channel, after encoders' delays are left out.
    """

    header: FrameHeader
    offsets: np.ndarray
    parts: Sequence[Part]
    length: int

    @property
    def seconds(self) -> Seconds:
        """How long it is."""
        return self.length / self.header.rate


def is_mpeg(ref: AudioRef) -> bool:
    """Whether a file is MPEG audio by its first frames, whatever its name says."""
    with FileBytes(ref) as data:
        return _first_frame(data) is not None


def mpeg_length(ref: AudioRef) -> tuple[Seconds, bool]:
    """Return how long MPEG audio is, and whether a true Xing frame says so.

    Raises:
        AudioError: it is truncated, or its parts have different rates.
    """
    with FileBytes(ref) as data:
        start = _first_frame(data)
        stated = None if start is None else _stated(data, start)
        if stated is not None:
            return stated, True
    return scan(ref).seconds, False


def mpeg_channels(ref: AudioRef) -> int:
    """Return how many channels the first frame of MPEG audio has."""
    with FileBytes(ref) as data:
        start = _first_frame(data)
        header = None if start is None else frame_header(data[start : start + 4])
    return scan(ref).header.channels if header is None else header.channels


def scan(ref: AudioRef) -> MpegSound:
    """Walk through the frames of MPEG audio; what was found last is remembered.

    Raises:
        AudioError: it holds no frame, ends before a Xing frame says, or changes its rate.
    """
    status = os.stat(ref.path)
    whole = AudioRef(ref.path, offset=ref.offset, size=ref.size)
    return _scanned(whole, status.st_size, status.st_mtime_ns)


# ---------------------------------------------------------------------------------------------
# Frames.


class FileBytes:
    """The bytes of a file or of a member of a tar, mapped and not read."""

    def __init__(self, ref: AudioRef) -> None:
        self.start = ref.offset or 0
        with open(ref.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.end = size if ref.size is None else self.start + ref.size

    def __enter__(self) -> FileBytes:
        return self

    def __exit__(self, *error: object) -> None:
        self._map.close()

    def __getitem__(self, place: slice) -> bytes:
        return self._map[place.start : min(place.stop, self.end)]

    def find(self, sign: bytes, start: int) -> int:
        """Return where a sign comes next, -1 if it does not."""
        return self._map.find(sign, start, self.end)


def frame_header(four: bytes) -> FrameHeader | None:
    """Read the four bytes that a frame begins with; None where they are no header."""
    if len(four) < 4 or four[0] != 0xFF or four[1] < 0xE0:
        return None
    return _parsed(four[1], four[2], four[3] >> 6 == 3)


@lru_cache(maxsize=4096)
def _parsed(second: int, third: int, is_mono: bool) -> FrameHeader | None:
    """Read a header's fields; None for one that no frame has, or of free format."""
    version, layer = (second >> 3) & 3, 4 - ((second >> 1) & 3)
    bits, rate_index, padding = third >> 4, (third >> 2) & 3, (third >> 1) & 1
    if version == 1 or layer == 4 or rate_index == 3 or bits in (0, 15):
        return None
    rate = _RATES[version][rate_index]
    kilobits = _KILOBITS[1 if version == 3 else 2, layer][bits - 1]
    if layer == 1:
        samples, length = 384, (12_000 * kilobits // rate + padding) * 4
    else:
        samples = 576 if layer == 3 and version != 3 else 1152
        length = samples // 8 * 1000 * kilobits // rate + padding
    return FrameHeader(layer, rate, 1 if is_mono else 2, samples, length)


def _first_frame(data: FileBytes) -> int | None:
    """Return where the first frame begins, behind tags; None where two frames follow nowhere."""
    start = _behind_tags(data, data.start)
    # Some writers leave zeros between the tag and the sound.
    place = start
    while place < min(start + _MOST_JUNK, data.end) and data[place : place + 1] == b"\0":
        place += 1
    return place if _two_follow(data, place) else None


def _behind_tags(data: FileBytes, place: int) -> int:
    while data[place : place + 3] == b"ID3":
        size = data[place + 6 : place + 10]
        if len(size) < 4:
            break
        place += 10 + sum(
            (byte & 127) << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True)
        )
    return place


def _two_follow(data: FileBytes, place: int) -> bool:
    """Whether a frame begins here, and at its end another of the same kind, or the file ends."""
    first = frame_header(data[place : place + 4])
    if first is None or place + first.length > data.end:
        return False
    behind = place + first.length
    second = frame_header(data[behind : behind + 4])
    if second is None:
        rest = data[behind : behind + 4]
        return rest in (b"", b"APET") or rest[:3] in (b"TAG", b"ID3")
    return second[:3] == first[:3]


@lru_cache(maxsize=16)
def _scanned(ref: AudioRef, size: int, changed: int) -> MpegSound:
    with FileBytes(ref) as data:
        start = _first_frame(data)
        if start is None:
            # Junk of any kind before the first frame.
            start = _next_frame(data, data.start, None)
        if start is None:
            raise AudioError(f"{describe(ref)} holds no frame of MPEG audio")
        first = frame_header(data[start : start + 4])
        assert first is not None  # what `_first_frame` and `_next_frame` give begins with one
        offsets, tags = _walk(ref, data, start, first)
    if not offsets:
        raise AudioError(f"{describe(ref)} holds no samples", kind="empty")
    parts = _parts(ref, first, len(offsets), tags)
    length = sum(max(0, (p.last - p.first) * first.samples - p.skip - p.drop) for p in parts)
    return MpegSound(first, np.array(offsets, np.int64), parts, length)


def _walk(
    ref: AudioRef, data: FileBytes, start: int, first: FrameHeader
) -> tuple[list[int], list[tuple[int, _Tag]]]:
    """Return where the frames with sound begin, and before which of them what Xing frame stands."""
    offsets: list[int] = []
    tags: list[tuple[int, _Tag]] = []
    place: int | None = start
    while place is not None:
        header = frame_header(data[place : place + 4])
        if header is None:
            place = _next_frame(data, place, first)
            continue
        if header[:2] != first[:2]:
            raise AudioError(
                f"{describe(ref)} changes from layer {first.layer} at {first.rate} Hz to layer "
                f"{header.layer} at {header.rate} Hz at byte {place - data.start}",
                "files that were joined must be alike: decode each, then join them",
            )
        if place + header.length > data.end:
            break  # half a frame
        tag = _tag(data, place, header)
        if tag is None:
            offsets.append(place)
        else:
            tags.append((len(offsets), tag))
        place += header.length
    return offsets, tags


def _next_frame(data: FileBytes, place: int, like: FrameHeader | None) -> int | None:
    """Return where frames go on behind something that is none; None where they do not."""
    place = _behind_tags(data, place)
    if like is not None and frame_header(data[place : place + 4]) is not None:
        return place
    while (place := data.find(b"\xff", place)) >= 0:
        header = frame_header(data[place : place + 4])
        is_alike = header is not None and (like is None or header[:2] == like[:2])
        if is_alike and _two_follow(data, place):
            return place
        place += 1
    return None


# ---------------------------------------------------------------------------------------------
# What Xing frames state.


class _Tag(NamedTuple):
    frames: int | None
    bytes: int | None
    delay: int | None
    padding: int


def _tag(data: FileBytes, place: int, header: FrameHeader) -> _Tag | None:
    """Read a Xing, Info or VBRI frame; None for one of sound."""
    if header.layer != 3:
        return None
    frame = data[place : place + min(header.length, 200)]
    if frame[36:40] == b"VBRI":
        return _Tag(None, None, None, 0)
    side = _SIDE_INFORMATION[header.samples, header.channels]
    if frame[4 + side : 8 + side] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(frame[8 + side : 12 + side], "big")
    at = 12 + side
    fields: list[int | None] = []
    for bit in (1, 2):
        fields.append(int.from_bytes(frame[at : at + 4], "big") if flags & bit else None)
        at += 4 if flags & bit else 0
    at += (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    frames, size = (value or None for value in fields)
    if frame[at : at + 4] not in (b"LAME", b"Lavf", b"Lavc"):
        return _Tag(frames, size, None, 0)
    delays = int.from_bytes(frame[at + 21 : at + 24], "big")
    return _Tag(frames, size, delays >> 12, delays & 0xFFF)


def _stated(data: FileBytes, start: int) -> Seconds | None:
    """Return the length that a Xing frame states, if its bytes are those of the file."""
    header = frame_header(data[start : start + 4])
    tag = None if header is None else _tag(data, start, header)
    if header is None or tag is None or tag.frames is None or tag.bytes is None:
        return None
    behind = data[start + tag.bytes : start + tag.bytes + 8]
    is_end = start + tag.bytes == data.end
    if not is_end and behind[:3] != b"TAG" and behind != b"APETAGEX":
        return None
    return _length_of(tag, tag.frames, header.samples) / header.rate


def _length_of(tag: _Tag, frames: int, samples: int) -> int:
    skip, drop = _trimmed(tag)
    return max(0, frames * samples - skip - drop)


def _trimmed(tag: _Tag) -> tuple[int, int]:
    if tag.delay is None:
        return 0, 0
    return tag.delay + _DECODER_DELAY, max(0, tag.padding - _DECODER_DELAY)


def _parts(
    ref: AudioRef, header: FrameHeader, frames: int, tags: Sequence[tuple[int, _Tag]]
) -> list[Part]:
    """Cut the frames where another file begins, and check what each states."""
    starts = [place for place, _ in tags]
    bounds = [*([] if starts and starts[0] == 0 else [(0, None)]), *tags]
    parts = []
    for number, (first, tag) in enumerate(bounds):
        last = bounds[number + 1][0] if number + 1 < len(bounds) else frames
        skip, drop = (0, 0) if tag is None else _trimmed(tag)
        if tag is not None and tag.frames is not None:
            missing = (tag.frames - (last - first)) * header.samples
            if missing > max(END_TOLERANCE * header.rate, 2 * header.samples):
                found = (last - first) * header.samples / header.rate
                raise truncated(ref, found, tag.frames * header.samples / header.rate)
            # Where it speaks of other frames than are there, nobody knows what its end holds.
            drop = drop if missing == 0 else 0
        parts.append(Part(first, last, skip, drop))
    return parts
