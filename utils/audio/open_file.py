"""Files for libsndfile, and those of which it would read only a part.

A header may lie about where a file ends: writers to a pipe leave its size at 0 or at the largest
number; files that were joined with `cat` begin again behind their end, where libsndfile stops.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from utils.audio.clip import AudioRef
from utils.audio.limits import NEVER, AudioError, describe, open_source, truncated

# Writers that cannot go back leave the largest number, or one near it, or 0 as the data's size.
_UNKNOWN_WAV_SIZE = 0x7FFF0000
# Dialogic's VOX has no header: one channel of 8 kHz, as telephone systems write it.
_VOX = {"samplerate": 8000, "channels": 1, "format": "RAW", "subtype": "VOX_ADPCM"}
# How a FLAC file begins: its sign and the block that every one has first.
_FLAC_SIGNS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
# A FLAC frame is seldom larger than this, and speech seldom takes more than this of its raw size.
_TAIL, _USUAL_SHARE = 1 << 16, 0.6
# An Ogg page: sign, version, flags, position, serial, number, checksum, segments.
_OGG_PAGE = struct.Struct("<4sBBqIIIB")
_BEGINS_STREAM = 2


def open_soundfile(ref: AudioRef) -> Any | None:
    """Open a file with libsndfile; None for what PyAV has to read.

    That is a kind that libsndfile does not know, a header without the number of samples, and files
    that were joined.

    Raises:
        AudioError: it is a wav file that is truncated, or has another behind it.
    """
    import soundfile

    is_vox = ref.path.lower().endswith(".vox")
    source = open_source(ref)
    _expect_whole_wav(ref)
    try:
        file = soundfile.SoundFile(source, **(_VOX if is_vox else {}))
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        return None  # not its format (a name that ends in .raw is a TypeError)
    is_countable = 0 < file.frames < NEVER * max(file.samplerate, 1)
    if is_countable and not _is_joined(ref, file.format):
        return file
    file.close()
    return None


def _expect_whole_wav(ref: AudioRef) -> None:
    """Refuse a wav file that ends before its header says; libraries take what is there.

    Raises:
        AudioError: it is truncated, or another wav file follows, which no player would play.
    """
    with open(ref.path, "rb") as raw:
        start = ref.offset or 0
        end = start + ref.size if ref.size is not None else os.fstat(raw.fileno()).st_size
        raw.seek(start)
        head = raw.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return
        bytes_a_second = 1
        while raw.tell() + 8 <= end:
            name, size = struct.unpack("<4sI", raw.read(8))
            if name == b"data":
                available = end - raw.tell()
                if size > available and size < _UNKNOWN_WAV_SIZE:
                    raise truncated(ref, available / bytes_a_second, size / bytes_a_second)
                _expect_no_other(ref, raw, raw.tell() + size + size % 2, end)
                return
            content = raw.tell()
            if name == b"fmt " and size >= 12:
                bytes_a_second = max(1, int.from_bytes(raw.read(12)[8:], "little"))
            raw.seek(content + size + size % 2)


def _expect_no_other(ref: AudioRef, raw: BinaryIO, place: int, end: int) -> None:
    if place + 12 > end:
        return
    raw.seek(place)
    head = raw.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        raise AudioError(
            f"{describe(ref)} holds a second wav file behind the first, from byte {place}",
            "join recordings with sox or ffmpeg, not with cat, or cut the file in two",
            kind="joined",
        )


def _is_joined(ref: AudioRef, kind: str) -> bool:
    """Whether another file of the same kind begins behind the first."""
    if kind == "OGG":
        return any(begins for begins in _later_streams(ref))
    return kind == "FLAC" and _is_joined_flac(ref)


def _is_joined_flac(ref: AudioRef) -> bool:
    """Search for a second beginning, where the size or the last frame give reason to."""
    with open(ref.path, "rb") as raw:
        start = ref.offset or 0
        end = start + ref.size if ref.size is not None else os.fstat(raw.fileno()).st_size
        with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
            head, tail = content[start : start + 42], content[max(start, end - _TAIL) : end]
            is_usual = end - start < _USUAL_SHARE * _raw_bytes(head)
            if is_usual and _ends_as_stated(head, tail):
                return False
            return any(content.find(sign, start + 8, end) >= 0 for sign in _FLAC_SIGNS)


def _raw_bytes(head: bytes) -> int:
    """Return how many bytes the samples of a FLAC file have, as its STREAMINFO says."""
    fields = int.from_bytes(head[18:26], "big")
    channels, bits = (fields >> 41 & 7) + 1, (fields >> 36 & 31) + 1
    return (fields & (1 << 36) - 1) * channels * bits // 8


def _ends_as_stated(head: bytes, tail: bytes) -> bool:
    """Whether the last frame of a FLAC file holds the last sample that STREAMINFO counts.

    https://www.rfc-editor.org/rfc/rfc9639#name-frame-structure
    """
    frames = int.from_bytes(head[18:26], "big") & (1 << 36) - 1
    block = int.from_bytes(head[10:12], "big")  # the largest
    place = len(tail)
    while (place := tail.rfind(b"\xff", 0, place)) >= 0:
        number = _frame_number(tail[place : place + 16])
        if number is not None:
            first = number * (1 if tail[place + 1] & 1 else block)
            return first < frames <= first + block
    return False


def _frame_number(header: bytes) -> int | None:
    """Read the number in a frame's header; None where the bytes are none, by their checksum."""
    if len(header) < 16 or header[1] & 0xFE != 0xF8:
        return None
    ones = f"{header[4]:08b}".index("0") if header[4] != 0xFF else 8
    length = max(1, ones)
    if ones in (1, 8):
        return None
    more = {6: 1, 7: 2}.get(header[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    end = 4 + length + more
    if _crc8(header[:end]) != header[end]:
        return None
    number = header[4] if ones == 0 else header[4] & (0x7F >> ones)
    for byte in header[5 : 4 + length]:
        number = number << 6 | byte & 0x3F
    return number


def _crc8(content: bytes) -> int:
    value = 0
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x07) & 0xFF if value & 0x80 else value << 1
    return value


def _later_streams(ref: AudioRef) -> Iterator[bool]:
    """Yield for each page of an Ogg file whether a stream begins there after sound came."""
    with open(ref.path, "rb") as raw:
        place = ref.offset or 0
        end = place + ref.size if ref.size is not None else os.fstat(raw.fileno()).st_size
        has_sound = False
        while place + _OGG_PAGE.size <= end:
            raw.seek(place)
            page = _OGG_PAGE.unpack(raw.read(_OGG_PAGE.size))
            if page[0] != b"OggS":
                return
            is_first = bool(page[2] & _BEGINS_STREAM)
            yield has_sound and is_first
            has_sound = has_sound or not is_first
            place += _OGG_PAGE.size + page[-1] + sum(raw.read(page[-1]))
