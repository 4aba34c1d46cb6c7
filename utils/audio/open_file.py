"""Files for libsndfile, and those of which it would read only a part.

Writers to a pipe leave the size at 0 or at the largest number; of an Ogg or FLAC file with another
behind it libsndfile reads the first alone.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from typing import Any

from utils.audio.clip import AudioRef
from utils.audio.extent import expect_whole, with_known_size
from utils.audio.limits import NEVER, AudioError, describe, open_source

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

    That is a kind that libsndfile does not know or reads wrongly, a header without the number of
    samples, and files that were joined.

    Raises:
        AudioError: it is truncated, or has another behind it that cannot be read with it.
    """
    import soundfile

    is_vox = ref.path.lower().endswith(".vox")
    expect_whole(ref)
    source = with_known_size(ref) or open_source(ref)
    try:
        file = soundfile.SoundFile(source, **(_VOX if is_vox else {}))
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        for _ in _later_streams(ref):
            pass  # Speex and FLAC in Ogg may end within a page too
        return None  # not its format (a name that ends in .raw is a TypeError)
    if file.format == "VOC":  # headers of later blocks would become samples
        file.close()
        return None
    if file.subtype.startswith("DWVW"):
        file.close()
        return _readable_forwards(open_source(ref))
    is_countable = 0 < file.frames < NEVER * max(file.samplerate, 1)
    if is_countable and not _is_joined(ref, file.format):
        return file
    file.close()
    return None


def _readable_forwards(source: Any) -> Any:
    """Open a file of which libsndfile says that it can seek in it, and then fails."""
    import soundfile

    class Forwards(soundfile.SoundFile):
        def seekable(self) -> bool:
            return False

    return Forwards(source)


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
    """Yield for each page of an Ogg file whether a stream begins there after sound came.

    Raises:
        AudioError: it ends within a page.
    """
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
            if place > end:
                raise AudioError(
                    f"{describe(ref)} is truncated: it ends within a page, {place - end} bytes of "
                    "which are missing",
                    "copy or download it again",
                    kind="truncated",
                )
