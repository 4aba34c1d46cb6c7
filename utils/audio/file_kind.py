"""What kind of sound file something is, by its first bytes, whatever its name says."""

from __future__ import annotations

from pathlib import PurePath

from utils.audio.clip import AudioRef

# Where the sign stands, the sign, the kind, and the endings that promise it.
_SIGNS: tuple[tuple[int, bytes, str, frozenset[str]], ...] = (
    (8, b"WAVE", "wav", frozenset({".wav", ".wave", ".rf64"})),
    (0, b"fLaC", "flac", frozenset({".flac"})),
    (0, b"OggS", "ogg", frozenset({".ogg", ".oga", ".opus", ".spx"})),
    (0, b"ID3", "mp3", frozenset({".mp3", ".aac", ".flac"})),  # a tag before any of these
    (4, b"ftyp", "mp4", frozenset({".m4a", ".mp4", ".m4b", ".mov", ".3gp"})),
    (0, b"\x1a\x45\xdf\xa3", "matroska or webm", frozenset({".webm", ".mkv", ".mka"})),
    (0, b"FORM", "aiff", frozenset({".aiff", ".aif", ".aifc"})),
    (0, b"#!AMR", "amr", frozenset({".amr", ".awb"})),
)
_ENDINGS = frozenset().union(*(endings for *_, endings in _SIGNS))


def names_another_kind(ref: AudioRef) -> str | None:
    """Return what a file is where its name promises something else; None where they agree.

    A member of a tar has no name of its own, and an ending or a content that is not in the table
    promises nothing. Nor is a file that cannot be opened judged here.
    """
    ending = PurePath(ref.path).suffix.lower()
    if ref.offset is not None or ending not in _ENDINGS:
        return None
    try:
        with open(ref.path, "rb") as file:
            head = file.read(16)
    except OSError:
        return None
    for place, sign, kind, endings in _SIGNS:
        if head[place : place + len(sign)] == sign:
            return None if ending in endings else kind
    return None
