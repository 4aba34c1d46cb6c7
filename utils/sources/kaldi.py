"""A Kaldi data folder: wav.scp, text, and where they are there segments, utt2spk and utt2lang.

https://kaldi-asr.org/doc/data_prep.html says what each holds. A line of wav.scp may be a command
whose output is the audio; commands from a file are never run here, so such a folder is refused.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.manifest.languages import language_code
from utils.manifest.utterance import Utterance
from utils.sources.audio.paths import AudioFinder
from utils.sources.audio.sides import channels_of_recordings, counted_from_0, sides
from utils.sources.files import (
    channel_number,
    expect_file,
    expect_folder,
    is_file,
    one_line,
    table_lines,
)
from utils.sources.parts import joined_parts
from utils.sources.source_data import LeftOut, SourceData, SourceSettings

_OPTIONAL = ("utt2spk", "utt2lang")
_PATHS_TRIED = 50


@dataclass(frozen=True, kw_only=True)
class KaldiSettings(SourceSettings):
    """A Kaldi data folder: wav.scp and text; segments, utt2spk and utt2lang if present."""

    path: str
    """The folder, or one of several: data/ with train/, dev/ and test/ in it."""
    audio_dir: str | None = None
    """Folder that paths in wav.scp are relative to. None tries the current folder (as Kaldi does),
    the data folder and the two above it, and takes the one with the most of the files."""
    encoding: str | None = None
    """Encoding of the texts, such as gbk. None: UTF-8, or what the BOM says."""


def gather(settings: KaldiSettings) -> SourceData:
    """Read a Kaldi data folder.

    Raises:
        UserError: the folder lacks a file, or wav.scp holds commands or archives.
    """
    folder = Path(settings.path)
    expect_folder(folder, "a Kaldi data folder")
    below = sorted(each.parent for each in folder.glob("*/wav.scp"))
    if below and not (folder / "wav.scp").is_file():
        return joined_parts((each.name, _gather(each, settings)) for each in below)
    return _gather(folder, settings)


def _gather(folder: Path, settings: KaldiSettings) -> SourceData:
    for name in ("wav.scp", "text"):
        expect_file(folder / name, "a Kaldi data folder with wav.scp and text")
    left_out: list[LeftOut] = []
    audio_dir = Path(settings.audio_dir) if settings.audio_dir else None
    recordings, notes = _recordings(folder, audio_dir, left_out)
    audio = recordings
    if (folder / "segments").is_file():
        audio = _segments(folder / "segments", recordings, left_out)
        notes += counted_from_0(audio)
    texts = _pairs(folder / "text", left_out, encoding=settings.encoding)
    speakers, languages = (_optional_pairs(folder / each, left_out) for each in _OPTIONAL)
    utterances = []
    for name, text in texts.items():
        if name not in audio or not text:
            continue
        try:
            language = language_code(languages[name]) if languages.get(name) else None
        except UserError as error:
            left_out.append(LeftOut(name, f"unknown language: {error.message}"))
            continue
        speaker = speakers.get(name) or None
        utterances.append(Utterance(audio[name], text, name, language, speaker=speaker))
    left_out += [LeftOut(name, "empty text") for name in texts if not texts[name]]
    known = {each.id for each in left_out}
    left_out += [
        LeftOut(name, "text without audio")
        for name in texts
        if name not in audio and name not in known
    ]
    left_out += [LeftOut(name, "audio without text") for name in audio if name not in texts]
    return SourceData(utterances, left_out, notes=notes)


def _optional_pairs(path: Path, left_out: list[LeftOut]) -> dict[str, str]:
    return _pairs(path, left_out) if path.is_file() else {}


def _pairs(
    path: Path, left_out: list[LeftOut], is_path: bool = False, encoding: str | None = None
) -> dict[str, str]:
    """Read lines of a key and the rest; a key that comes again is left out.

    White space inside of the rest counts in paths alone.
    """
    pairs: dict[str, str] = {}
    for number, line in table_lines(path, encoding):
        key, *rest = line.split(maxsplit=1)
        if key in pairs:
            left_out.append(LeftOut(key, f"the id a second time: line {number} of {path.name}"))
            continue
        value = rest[0] if rest else ""
        pairs[key] = value.strip() if is_path else one_line(value)
    return pairs


def _recordings(
    folder: Path, audio_dir: Path | None, left_out: list[LeftOut]
) -> tuple[dict[str, AudioRef], list[str]]:
    """Return the sound of each recording, and what to tell; refuse commands and archives."""
    path = folder / "wav.scp"
    pairs = _pairs(path, left_out, is_path=True)
    commands = [name for name, rest in pairs.items() if rest.endswith("|") or rest.startswith("|")]
    if commands:
        raise UserError(
            f"{path}: {_some(commands)} given by a command ({pairs[commands[0]]!r}), expected "
            "the path of an audio file",
            "commands from a file are not run here; write their output to files and name those in "
            "wav.scp",
        )
    archives = [name for name, rest in pairs.items() if ".ark:" in rest]
    if archives:
        raise UserError(
            f"{path}: {_some(archives)} in a Kaldi archive ({pairs[archives[0]]!r}), expected the "
            "path of an audio file",
            "write the audio to files and name those in wav.scp",
        )
    paths = [rest for rest in pairs.values() if rest]
    base = audio_dir or _base(folder, paths)
    finder = AudioFinder(base)
    found = {name: str(finder.find(rest) or base / rest) for name, rest in pairs.items() if rest}
    audio = {name: AudioRef(file) for name, file in found.items()}
    # Each side of a call may be a recording of its own; its channel then stands elsewhere.
    times = Counter(found.values())
    shared = {name: each for name, each in audio.items() if times[each.path] > 1}
    if shared:
        stated = channels_of_recordings(folder / "reco2file_and_channel")
        known, unknown = sides(shared, stated)
        left_out += [LeftOut(name, reason) for name, reason in unknown.items()]
        audio = {name: known.get(name, each) for name, each in audio.items() if name not in unknown}
    return audio, finder.told()


def _base(folder: Path, paths: Sequence[str]) -> Path:
    """Return the folder from which most of the paths lead to files, the current one first."""
    candidates = (Path(), folder, folder.parent, folder.resolve().parent.parent)
    some = paths[:: max(1, len(paths) // _PATHS_TRIED)]
    return max(candidates, key=lambda base: sum(is_file(base / path) for path in some))


def _segments(
    path: Path, recordings: dict[str, AudioRef], left_out: list[LeftOut]
) -> dict[str, AudioRef]:
    """Read lines of utterance, recording, start, end and perhaps a channel.

    An end of -1 is that of the recording, and a channel of -1 is all of them.
    """
    segments: dict[str, AudioRef] = {}
    for number, line in table_lines(path):
        place = f"line {number} of {path.name}"
        fields = line.split()
        try:
            name, recording, start, end = fields[0], fields[1], float(fields[2]), float(fields[3])
            channel = channel_number(fields[4]) if fields[4:] and fields[4] != "-1" else None
        except (IndexError, ValueError):
            raise UserError(
                f"{path}, line {number}: {line.strip()!r}; expected <utterance> <recording> "
                "<start> <end>, and perhaps <channel>",
                "times are in seconds; a channel is a number from 0, or A or B",
            ) from None
        if recording not in recordings:
            left_out.append(LeftOut(name, f"unknown recording {recording}: {place}"))
        elif not (0 <= start < math.inf and (end == -1 or start < end < math.inf)):
            left_out.append(LeftOut(name, f"times: {start:g} to {end:g} s, {place}"))
        elif name in segments:
            left_out.append(LeftOut(name, f"the id a second time: {place}"))
        else:
            stop = None if end == -1 else end
            known = recordings[recording]
            channel = known.channel if channel is None else channel
            segments[name] = replace(known, start_time=start, end_time=stop, channel=channel)
    return segments


def _some(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"the recording {names[0]} is"
    return f"{len(names)} recordings ({', '.join(names[:3])}, ...) are"
