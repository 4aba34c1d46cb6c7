"""Where a file's own header says that it ends: files cut short, and files joined with `cat`.

Libraries read what is there of a file that was cut, and stop where the first of two joined files
ends. Both would lose sound without a word. A kind is one function and one row in `_KINDS`.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from utils.audio.clip import AudioRef
from utils.audio.limits import AudioError, describe, truncated

# Writers that cannot go back leave the largest number, or one near it, or 0 as a size.
UNKNOWN_SIZE = 0x7FFF0000
_PADDING = 16  # zeros between two files
_W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


class _Bytes:
    """A file, or a member of a tar, from its own first byte."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self.size = file, start, size

    def at(self, place: int, count: int) -> bytes:
        self._file.seek(self._start + place)
        return self._file.read(max(0, min(count, self.size - place)))


class _Kind(NamedTuple):
    """A kind of file: where its sign stands, the sign, and what finds the end."""

    place: int
    sign: bytes
    end: Callable[[_Bytes], int | None]


def expect_whole(ref: AudioRef) -> None:
    """Refuse a file that ends before its header says, and one with another behind it.

    Raises:
        AudioError: it is truncated, or a second file follows, which players don't play either.
    """
    with open(ref.path, "rb") as file:
        start = ref.offset or 0
        end = start + ref.size if ref.size is not None else os.fstat(file.fileno()).st_size
        data = _Bytes(file, start, end - start)
        head = data.at(0, 16)
        if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
            _expect_whole_wav(ref, data)
            return
        for kind in _KINDS:
            if head[kind.place : kind.place + len(kind.sign)] == kind.sign:
                stated = kind.end(data)
                if stated is not None:
                    _compare(ref, data, kind, stated)
                return


def with_known_size(ref: AudioRef) -> BinaryIO | None:
    """Return an AU or AIFF file with its true size where its writer left 0; None for others.

    Of wav and other files libraries know what 0 means.
    """
    with open(ref.path, "rb") as file:
        file.seek(ref.offset or 0)
        head = file.read(4)
        if head == b".snd" and file.read(8)[4:] == bytes(4):
            places = [8]
        elif head == b"FORM" and file.read(4) == bytes(4):
            file.seek(-8, os.SEEK_CUR)
            place = file.read(1 << 12).find(b"SSND")
            places = [4, *([place + 4] if place > 0 else [])]
        else:
            return None
        file.seek(ref.offset or 0)
        content = bytearray(file.read() if ref.size is None else file.read(ref.size))
    for place in places:
        first = int.from_bytes(content[4:8], "big") if head == b".snd" else place + 4
        content[place : place + 4] = (len(content) - first).to_bytes(4, "big")
    return io.BytesIO(content)


def _compare(ref: AudioRef, data: _Bytes, kind: _Kind, stated: int) -> None:
    if stated > data.size:
        raise AudioError(
            f"{describe(ref)} is truncated: {data.size} of {stated} bytes are there",
            "copy or download it again",
            kind="truncated",
        )
    behind = data.at(stated, _PADDING + 32)
    place = stated + len(behind) - len(behind.lstrip(b"\0"))
    # A sign may begin with zeros itself, as the size of an mp4 box does.
    for start in (stated, max(stated, place - 4), place):
        if data.at(start + kind.place, len(kind.sign)) == kind.sign:
            raise joined(ref, start)


def joined(ref: AudioRef, place: int) -> AudioError:
    """Return the error for a file with another behind it, which begins at a byte."""
    return AudioError(
        f"{describe(ref)} holds a second file behind the first, from byte {place}",
        "join recordings with sox or ffmpeg, not with cat, or cut the file in two",
        kind="joined",
    )


# ---------------------------------------------------------------------------------------------
# WAV.


def _expect_whole_wav(ref: AudioRef, data: _Bytes) -> None:
    order = "<" if data.at(0, 4) == b"RIFF" else ">"
    place, bytes_a_second = 12, 1
    while place + 8 <= data.size:
        name, size = struct.unpack(f"{order}4sI", data.at(place, 8))
        content = place + 8
        if name == b"fmt ":
            rate = data.at(content + 8, 4)
            bytes_a_second = max(1, int.from_bytes(rate, "little" if order == "<" else "big"))
        if name == b"data":
            available = data.size - content
            if size in (data.size, data.size - 8):
                return  # its writer counted the header too
            if size > available and size < UNKNOWN_SIZE:
                raise truncated(ref, available / bytes_a_second, size / bytes_a_second)
            if size:
                _expect_no_more_sound(ref, data, content + size, bytes_a_second)
            return
        place = content + size + size % 2


def _expect_no_more_sound(ref: AudioRef, data: _Bytes, end: int, bytes_a_second: int) -> None:
    """Refuse what stands behind the sound and is neither a chunk nor a tag nor zeros."""
    place = end + end % 2
    while place + 8 <= data.size:
        head = data.at(place, 12)
        if head[:4] in (b"RIFF", b"RIFX") and head[8:] == b"WAVE":
            raise joined(ref, place)
        size = int.from_bytes(head[4:8], "little")
        if not _is_name(head[:4]) or place + 8 + size > data.size:
            break
        place += 8 + size + size % 2
    rest = data.size - place
    if rest < bytes_a_second or not data.at(place, min(rest, 1 << 16)).strip(b"\0"):
        return
    raise AudioError(
        f"{describe(ref)} goes on behind the {end} bytes that its header counts: {rest} bytes more",
        "its writer did not finish the header: `sox --ignore-length old.wav new.wav` does",
        kind="truncated",
    )


def _is_name(name: bytes) -> bool:
    return re.fullmatch(rb"[A-Za-z0-9_ \-]{4}", name) is not None


# ---------------------------------------------------------------------------------------------
# Others: each returns how many bytes its file should have, None where the header does not say.


def _known(size: int) -> bool:
    return 0 < size < UNKNOWN_SIZE


def _form_end(data: _Bytes) -> int | None:
    """AIFF's, by the EA IFF 85 standard: one chunk around all."""
    size = int.from_bytes(data.at(4, 4), "big")
    return 8 + size if _known(size) else None


def _riff_end(data: _Bytes) -> int | None:
    """AVI: what is larger than a gigabyte has more of them, of another sign."""
    if data.at(8, 4) != b"AVI ":
        return None
    size = int.from_bytes(data.at(4, 4), "little")
    return 8 + size if _known(size) else None


def _rf64_end(data: _Bytes) -> int | None:
    size = int.from_bytes(data.at(20, 8), "little") if data.at(12, 4) == b"ds64" else 0
    return 8 + size if 0 < size < 1 << 62 else None


def _w64_end(data: _Bytes) -> int | None:
    size = int.from_bytes(data.at(16, 8), "little")
    return size if 128 < size < 1 << 62 else None


def _au_end(data: _Bytes) -> int | None:
    begin, size = struct.unpack(">II", data.at(4, 8).ljust(8, b"\0"))
    return int(begin + size) if _known(size) else None


def _caf_end(data: _Bytes) -> int | None:
    """https://developer.apple.com/library/archive/documentation/MusicAudio/Reference/CAFSpec/."""
    place = 8
    while place + 12 <= data.size and _is_name(data.at(place, 4)) and data.at(place, 4) != b"caff":
        size = int.from_bytes(data.at(place + 4, 8), "big", signed=True)
        if size < 0:
            return None
        place += 12 + size
    return place


def _nist_end(data: _Bytes) -> int | None:
    fields = dict(re.findall(rb"(\w+) -\w+ (\S+)", data.at(0, 1024)))
    names = (b"sample_count", b"channel_count", b"sample_n_bytes")
    is_plain = b"shorten" not in fields.get(b"sample_coding", b"")
    numbers = [fields.get(name, b"") for name in names]
    if not is_plain or not all(number.isdigit() for number in numbers):
        return None
    header = data.at(8, 8).strip()
    count, channels, width = map(int, numbers)
    return int(header) + count * channels * width if header.isdigit() else None


def _mp4_end(data: _Bytes) -> int | None:
    """Top-level boxes of ISO/IEC 14496-12."""
    place = 0
    while place + 8 <= data.size:
        size, name = struct.unpack(">I4s", data.at(place, 8))
        if not _is_name(name) or (place and name == b"ftyp"):
            break
        if size == 1:
            size = int.from_bytes(data.at(place + 8, 8), "big")
        if size == 0:
            return None  # to the end of the file
        place += max(size, 8)
    return place


def _asf_end(data: _Bytes) -> int | None:
    """WMA's, by its file properties; a broadcast has none."""
    head = data.at(0, 1 << 16)
    place = head.find(_ASF_PROPERTIES)
    if place < 0 or len(head) < place + 92 or head[place + 88] & 1:
        return None
    size = int.from_bytes(head[place + 40 : place + 48], "little")
    return size or None


def _ebml_end(data: _Bytes) -> int | None:
    """Matroska and WebM: a header and a segment, RFC 8794; a stream's has no size."""
    place = 0
    for sign in (_EBML, _SEGMENT):
        name, first = int.from_bytes(data.at(place, 4), "big"), data.at(place + 4, 1)
        if name != sign or not first or not first[0]:
            return None
        length = 9 - first[0].bit_length()
        bits = 7 * length
        size = int.from_bytes(data.at(place + 4, length), "big") & ((1 << bits) - 1)
        if size == (1 << bits) - 1:
            return None
        place += 4 + length + size
    return place


def _flv_end(data: _Bytes) -> int | None:
    """Tags, each followed by its size."""
    place = int.from_bytes(data.at(5, 4), "big") + 4
    while place + 11 <= data.size and data.at(place, 3) != b"FLV":
        place += 11 + int.from_bytes(data.at(place + 1, 3), "big") + 4
    return place


_KINDS = (
    _Kind(0, b"FORM", _form_end),
    _Kind(0, b"RIFF", _riff_end),
    _Kind(0, b"RF64", _rf64_end),
    _Kind(0, _W64[:8], _w64_end),
    _Kind(0, b".snd", _au_end),
    _Kind(0, b"caff", _caf_end),
    _Kind(0, b"NIST_1A", _nist_end),
    _Kind(4, b"ftyp", _mp4_end),
    _Kind(0, _ASF, _asf_end),
    _Kind(0, _EBML.to_bytes(4, "big"), _ebml_end),
    _Kind(0, b"FLV\x01", _flv_end),
)
