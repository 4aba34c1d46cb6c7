"""Which subtitle file belongs to which recording: by its name, with a language or channel in it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from utils.cli.errors import UserError
from utils.manifest.languages import language_code
from utils.sources.files import AUDIO_SUFFIXES, audio_files, is_hidden, read_text
from utils.sources.source_data import LeftOut
from utils.sources.text.subtitle_files import FORMATS
from utils.sources.text.transcripts import is_label_track

# What programs write between a recording's name and the ending, and is no language.
_OTHER_PARTS = frozenset({"auto", "orig", "original", "sdh", "cc", "forced", "default", "full"})
_CHANNELS = {"0": 0, "1": 1, "left": 0, "right": 1, "l": 0, "r": 1, "a": 0, "b": 1}
_CHANNELS |= {f"{name}{number}": number for name in ("ch", "channel", "c") for number in range(8)}


class Pair(NamedTuple):
    """A recording and the text of it, or of one of its channels; language as its name tells."""

    name: str
    audio: Path
    subtitles: Path
    language: str | None = None
    channel: int | None = None


class Wanted(NamedTuple):
    """What is chosen where a recording has several texts; `split`: names may tell channels."""

    language: str | None = None
    split: bool = False


def pairs_of_folder(
    folder: Path, wanted: Wanted, of_all: Path | None = None
) -> tuple[list[Pair], list[LeftOut]]:
    """Pair the recordings of a folder with their subtitles.

    Args:
        folder: with recordings at any depth.
        wanted: of several texts of one recording.
        of_all: an STM or CTM that holds all recordings.

    Returns:
        The pairs, and what has no partner.
    """
    pairs: list[Pair] = []
    left_out: list[LeftOut] = []
    used: set[Path] = set()
    for audio in audio_files(folder):
        name = audio.relative_to(folder).with_suffix("").as_posix()
        if of_all is not None:
            pairs.append(Pair(name, audio, of_all))
            continue
        found, others = subtitles_beside(audio, name, wanted)
        used |= {each.subtitles for each in found} | {Path(each.id) for each in others}
        pairs += found
        left_out += others
        if not found:
            left_out.append(LeftOut(str(audio), "audio without text"))
    for path in [] if of_all is not None else sorted(folder.rglob("*")):
        is_text = _is_subtitles(path) and not is_hidden(path, folder)
        if is_text and path not in used:
            left_out.append(LeftOut(str(path), "text without audio"))
    return pairs, left_out


def subtitles_beside(audio: Path, name: str, wanted: Wanted) -> tuple[list[Pair], list[LeftOut]]:
    """Return a recording with its subtitle file, or with one for each channel; and the others.

    A file of exactly its name comes first, then one in the language that is asked for.
    """
    candidates = []
    for path in sorted(audio.parent.iterdir()):
        parts = _parts_between(audio, path, wanted.split)
        if parts is not None and _is_subtitles(path):
            candidates.append(_pair(name, audio, path, parts))
    candidates.sort(key=lambda each: _rank(each, audio, wanted.language))
    by_channel = [each for each in candidates if each.channel is not None]
    first = by_channel if len({each.channel for each in by_channel}) > 1 else candidates[:1]
    left_out = [
        LeftOut(str(each.subtitles), f"a second text of one recording: {first[0].subtitles}")
        for each in candidates
        if each not in first
    ]
    return first, left_out


def _is_subtitles(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in FORMATS or not path.is_file():
        return False
    if suffix != ".txt":
        return True
    try:
        return is_label_track(read_text(path))
    except UserError:
        return False


def _parts_between(audio: Path, path: Path, split: bool) -> list[str] | None:
    """Return what stands between the recording's name and the ending; None for another's file."""
    rest = path.stem
    if rest != audio.stem and any(path.with_suffix(each).is_file() for each in AUDIO_SUFFIXES):
        return None  # a recording has this very name
    for stem in (audio.name, audio.stem):
        if rest == stem:
            return []
        if rest.startswith(f"{stem}.") or (rest.startswith((f"{stem}_", f"{stem}-"))):
            parts = rest[len(stem) + 1 :].lower().replace("_", ".").split(".")
            return parts if all(_is_known(part, split) for part in parts) else None
    return None


def _is_known(part: str, split: bool) -> bool:
    is_channel = split and part in _CHANNELS
    return part in _OTHER_PARTS or is_channel or _language(part) is not None


def _language(part: str) -> str | None:
    try:
        return language_code(part)
    except UserError:
        return None


def _pair(name: str, audio: Path, path: Path, parts: list[str]) -> Pair:
    languages = [part for part in parts if part not in _CHANNELS and _language(part)]
    channels = [_CHANNELS[part] for part in parts if part in _CHANNELS]
    return Pair(
        name,
        audio,
        path,
        languages[0] if languages else None,
        channels[0] if channels else None,
    )


def _rank(pair: Pair, audio: Path, language: str | None) -> tuple[bool, bool, int, str]:
    wanted = None if language is None else _language(language.lower())
    is_wanted = wanted is not None and pair.language is not None
    is_wanted = is_wanted and _language(str(pair.language)) == wanted
    is_exact = pair.subtitles.stem == audio.stem
    form = list(FORMATS).index(pair.subtitles.suffix.lower())
    return not is_wanted, not is_exact, form, pair.subtitles.name
