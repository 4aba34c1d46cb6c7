"""Long recordings with subtitles or transcripts with times, cut into pieces of at most 30 s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from utils.audio.clip import AudioRef, Seconds, TimedSentence
from utils.audio.decode import AudioError
from utils.audio.header import header_channels, header_duration
from utils.cli.errors import UserError
from utils.manifest.languages import language_code
from utils.manifest.utterance import Utterance
from utils.sources.files import expect_file
from utils.sources.source_data import LeftOut, SourceData, SourceSettings
from utils.sources.text.cues import Cue
from utils.sources.text.marks import Marks
from utils.sources.text.pieces import Piece, Unusable, check_times, pack, silences
from utils.sources.text.subtitle_files import FORMATS, OF_SEVERAL, read_subtitles
from utils.sources.text.subtitle_pairs import Pair, Wanted, pairs_of_folder, subtitles_beside

# A channel of these is a tier, and only that of a recording with as many channels.
_TIERS = (".textgrid", ".eaf")


@dataclass(frozen=True, kw_only=True)
class SubtitleSettings(SourceSettings):
    """Long recordings with subtitles, TextGrid, eaf, STM, CTM, labels or JSON, cut into pieces."""

    path: str
    """A recording, or a folder of recordings. Each needs a subtitle file of the same name. It may
    have a language before its extension: talk.en.srt belongs to talk.mp3."""
    subtitles: str | None = None
    """A subtitle file with another name than its recording, or an STM or CTM file for a folder."""
    tier: str | None = None
    """Name of the tier to read from TextGrid and eaf files. None reads all tiers, one speaker each,
    except phones and tiers that depend on others."""
    channels: Literal["mix", "split"] = "mix"
    """split: the first tier of a TextGrid or eaf belongs to channel 0, the second to channel 1. The
    same holds for talk.0.srt and talk.1.srt (or left and right, A and B). Channels that an STM, CTM
    or JSON file names are always used."""
    marks: Literal["remove", "keep"] = "remove"
    """What to do with marks that nobody speaks: sound tags ([music], (laughs)), music signs, names
    of speakers (ANNA:, >>) and dialogue dashes."""
    encoding: str | None = None
    """Encoding of the subtitle files, such as gbk or cp1252. None: UTF-8, or what the BOM says."""
    speaker: str | None = None
    """Name of the speaker, if it is one person. None: each recording has its own."""
    no_speech: bool = False
    """Keep gaps of over a second between two pieces as examples without speech. Use it only if the
    subtitles hold every spoken word."""


def gather(settings: SubtitleSettings) -> SourceData:
    """Cut recordings at their subtitles.

    Raises:
        UserError: there is no such recording, or a subtitle file is broken.
    """
    pairs, left_out = _pairs(settings)
    utterances: list[Utterance] = []
    marks = Marks(settings.marks == "remove")
    for pair in pairs:
        try:
            length = header_duration(AudioRef(str(pair.audio)))
            channels = header_channels(AudioRef(str(pair.audio)))
        except AudioError as error:
            left_out.append(LeftOut(pair.name, f"unreadable audio: {error.message}"))
            continue
        try:
            found, missing = _cut(pair, length, channels, settings, marks)
        except UserError as error:
            if len(pairs) == 1:
                raise
            left_out.append(LeftOut(pair.name, f"unreadable subtitles: {error.message}"))
            continue
        utterances += found
        left_out += missing
    return SourceData(utterances, left_out, notes=marks.told())


def _cut(
    pair: Pair, length: Seconds, channels: int, settings: SubtitleSettings, marks: Marks
) -> tuple[list[Utterance], list[LeftOut]]:
    suffix = pair.subtitles.suffix.lower()
    tier = pair.audio.stem if suffix in OF_SEVERAL else settings.tier
    cues = read_subtitles(pair.subtitles, tier, settings.encoding)
    cues = marks.apply(_on_channels(cues, pair, channels, settings))
    utterances: list[Utterance] = []
    left_out: list[LeftOut] = []
    for channel in sorted({each.channel for each in cues}, key=lambda each: each or 0):
        side = [each for each in cues if each.channel == channel]
        name = pair.name if channel is None else f"{pair.name}-ch{channel}"
        audio = AudioRef(str(pair.audio), channel=channel)
        pieces, unusable = _pieces(side, length, settings)
        utterances += [
            _utterance(f"{name}-{number:04d}", audio, piece, settings, pair)
            for number, piece in enumerate(pieces, start=1)
        ]
        left_out += [
            LeftOut(f"{pair.subtitles.name}: {each.sentence.text[:40]}", each.reason)
            for each in unusable
        ]
    return utterances, left_out


def _pieces(
    cues: Sequence[Cue], length: Seconds, settings: SubtitleSettings
) -> tuple[list[Piece], list[Unusable]]:
    """Put cues together; over what was not understood no piece reaches, and no silence."""
    usable = [each.sentence for each in cues if not each.problem and each.sentence.text]
    unknown = [
        Unusable(replace(each.sentence, end=min(each.end, length)), each.problem)
        for each in cues
        if each.problem
    ]
    sentences, unusable = check_times(usable, length)
    unusable = [*unusable, *unknown]
    reached = [each for each in sentences if not _is_over(each, unknown)]
    unusable += [
        Unusable(each, "beside text that is not understood: its times overlap")
        for each in sentences
        if _is_over(each, unknown)
    ]
    pieces = pack(reached, unusable)
    if settings.no_speech:
        pieces = sorted(
            [*pieces, *silences(pieces, unusable, length)], key=lambda piece: piece.start
        )
    return pieces, unusable


def _is_over(sentence: TimedSentence, unknown: Sequence[Unusable]) -> bool:
    return any(
        each.sentence.start < sentence.end and sentence.start < each.sentence.end
        for each in unknown
    )


def _on_channels(
    cues: Sequence[Cue], pair: Pair, channels: int, settings: SubtitleSettings
) -> list[Cue]:
    """Return the cues with the channel of each; None where that is all of them.

    Raises:
        UserError: --channels=split, but there are not as many tiers as channels.
    """
    if channels == 1:
        return [replace(each, channel=None) for each in cues]
    if pair.channel is not None:
        return [replace(each, channel=pair.channel) for each in cues]
    if pair.subtitles.suffix.lower() not in _TIERS:
        return list(cues)
    if settings.channels == "mix":
        return [replace(each, channel=None) for each in cues]
    tiers = len({each.channel for each in cues})
    if tiers != channels:
        raise UserError(
            f"{pair.subtitles} has {tiers} tiers with text, {pair.audio} has {channels} channels",
            "--channels=split needs a tier for each channel, in their order; leave it out, or name "
            "one tier with --tier",
        )
    return list(cues)


def _utterance(
    name: str, audio: AudioRef, piece: Piece, settings: SubtitleSettings, pair: Pair
) -> Utterance:
    speakers = {each.extra.get("speaker") for each in piece.sentences}
    sentences, speaker = piece.sentences, settings.speaker
    if len(speakers) <= 1:  # one for all is stated once
        speaker = speaker or next(iter(speakers), None)
        sentences = tuple(replace(each, extra={}) for each in sentences)
    return Utterance(
        audio=replace(audio, start_time=round(piece.start, 3), end_time=round(piece.end, 3)),
        sentence=piece.text,
        id=name,
        language=None if pair.language is None else language_code(pair.language),
        sentences=sentences,
        speaker=speaker,
    )


def _pairs(settings: SubtitleSettings) -> tuple[list[Pair], list[LeftOut]]:
    """Return recordings with their subtitle files; and what has no partner."""
    path, subtitles = Path(settings.path), settings.subtitles
    wanted = Wanted(settings.language, settings.channels == "split")
    if path.is_dir():
        named = None if subtitles is None else Path(subtitles)
        if named is not None and named.suffix.lower() not in OF_SEVERAL:
            raise UserError(
                f"--subtitles={subtitles} belongs to one recording, but {path} is a folder",
                "give the recording with --path, or leave --subtitles out",
            )
        return pairs_of_folder(path, wanted, named)
    expect_file(path, "a recording, or a folder of them")
    if subtitles is not None:
        expect_file(Path(subtitles), "a subtitle file")
        return [Pair(path.stem, path, Path(subtitles))], []
    pairs, left_out = subtitles_beside(path, path.stem, wanted)
    if not pairs:
        raise UserError(
            f"{path} has no subtitle file beside it",
            f"expected {path.stem} with one of {', '.join(FORMATS)}, or name it with --subtitles",
        )
    return pairs, left_out
