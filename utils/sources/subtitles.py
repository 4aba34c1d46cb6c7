"""Long recordings with subtitles beside them, cut into pieces of at most 30 s."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import AudioError
from utils.audio.header import header_duration
from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.sources.files import audio_files, expect_file
from utils.sources.source_data import LeftOut, SourceData, SourceSettings
from utils.sources.text.pieces import Piece, check_times, pack, silences
from utils.sources.text.subtitle_files import FORMATS, read_subtitles


@dataclass(frozen=True, kw_only=True)
class SubtitleSettings(SourceSettings):
    """Long recordings with srt, vtt, ass, TextGrid or Whisper's JSON, cut into pieces."""

    path: str
    """A recording, or a folder of recordings; each with a subtitle file of the same name."""
    subtitles: str | None = None
    """The subtitle file of one recording that has another name."""
    tier: str | None = None
    """Name of the tier to read from TextGrids; None takes all, a speaker each, but for phones."""
    speaker: str | None = None
    """Who speaks, where it is one person; None: each recording is one."""
    no_speech: bool = False
    """Keep what lies over a second between two pieces as an example without speech. Only where the
    subtitles hold every word that is said."""


def gather(settings: SubtitleSettings) -> SourceData:
    """Cut recordings at their subtitles.

    Raises:
        UserError: there is no such recording, or a subtitle file is broken.
    """
    pairs, left_out = _pairs(Path(settings.path), settings.subtitles)
    utterances: list[Utterance] = []
    for name, audio, subtitles in pairs:
        try:
            length = header_duration(AudioRef(str(audio)))
        except AudioError as error:
            left_out.append(LeftOut(name, f"unreadable audio: {error.message}"))
            continue
        try:
            found, missing = _cut(name, audio, subtitles, length, settings)
        except UserError as error:
            if len(pairs) == 1:
                raise
            left_out.append(LeftOut(name, f"unreadable subtitles: {error.message}"))
            continue
        utterances += found
        left_out += missing
    return SourceData(utterances, left_out)


def _cut(
    name: str, audio: Path, subtitles: Path, length: Seconds, settings: SubtitleSettings
) -> tuple[list[Utterance], list[LeftOut]]:
    sentences, unusable = check_times(read_subtitles(subtitles, settings.tier), length)
    pieces = pack(sentences, unusable)
    if settings.no_speech:
        pieces = sorted(
            [*pieces, *silences(pieces, unusable, length)], key=lambda piece: piece.start
        )
    utterances = [
        _utterance(f"{name}-{number:04d}", audio, piece, settings.speaker)
        for number, piece in enumerate(pieces, start=1)
    ]
    left_out = [
        LeftOut(f"{subtitles.name}: {each.sentence.text[:40]}", each.reason) for each in unusable
    ]
    return utterances, left_out


def _utterance(name: str, audio: Path, piece: Piece, speaker: str | None) -> Utterance:
    return Utterance(
        audio=AudioRef(str(audio), round(piece.start, 3), round(piece.end, 3)),
        sentence=piece.text,
        id=name,
        sentences=piece.sentences,
        speaker=speaker,
    )


def _pairs(path: Path, subtitles: str | None) -> tuple[list[tuple[str, Path, Path]], list[LeftOut]]:
    """Return name, recording and subtitle file; and what has no partner."""
    if path.is_dir():
        if subtitles is not None:
            raise UserError(
                f"--subtitles={subtitles} belongs to one recording, but {path} is a folder",
                "give the recording with --path, or leave --subtitles out",
            )
        return _pairs_of_folder(path)
    expect_file(path, "a recording, or a folder of them")
    if subtitles is not None:
        expect_file(Path(subtitles), "a subtitle file")
        return [(path.stem, path, Path(subtitles))], []
    beside = _beside(path)
    if not beside:
        raise UserError(
            f"{path} has no subtitle file beside it",
            f"expected {path.stem} with one of {', '.join(FORMATS)}, or name it with --subtitles",
        )
    return [(path.stem, path, beside[0])], []


def _pairs_of_folder(folder: Path) -> tuple[list[tuple[str, Path, Path]], list[LeftOut]]:
    pairs, left_out, used = [], [], set()
    for audio in audio_files(folder):
        name = audio.relative_to(folder).with_suffix("").as_posix()
        beside = _beside(audio)
        used |= set(beside)
        if not beside:
            left_out.append(LeftOut(str(audio), "audio without text"))
            continue
        pairs.append((name, audio, beside[0]))
        for other in beside[1:]:
            left_out.append(LeftOut(str(other), f"a second text of one recording: {beside[0]}"))
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in FORMATS and path not in used and path.is_file():
            left_out.append(LeftOut(str(path), "text without audio"))
    return pairs, left_out


def _beside(audio: Path) -> list[Path]:
    """Return the subtitle files of a recording's name, the preferred format first."""
    found = [path for path in audio.parent.iterdir() if path.stem == audio.stem]
    known = [path for path in found if path.suffix.lower() in FORMATS and path.is_file()]
    return sorted(known, key=lambda path: list(FORMATS).index(path.suffix.lower()))
