"""A Kaldi data folder: wav.scp, text, and where they are there utt2spk and segments.

https://kaldi-asr.org/doc/data_prep.html says what each holds. A line of wav.scp may be a command
whose output is the audio; commands from a file are never run here, so such a folder is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.sources.files import expect_file, expect_folder, one_line, table_lines
from utils.sources.source_data import LeftOut, SourceData, SourceSettings


@dataclass(frozen=True, kw_only=True)
class KaldiSettings(SourceSettings):
    """A Kaldi data folder with wav.scp, text, and utt2spk and segments where there are any."""

    path: str
    """The folder."""
    audio_dir: str | None = None
    """Folder from which relative paths in wav.scp are seen; None: the current one, as in Kaldi."""


def gather(settings: KaldiSettings) -> SourceData:
    """Read a Kaldi data folder.

    Raises:
        UserError: the folder lacks a file, or wav.scp holds commands or archives.
    """
    folder = Path(settings.path)
    expect_folder(folder, "a Kaldi data folder")
    for name in ("wav.scp", "text"):
        expect_file(folder / name, "a Kaldi data folder with wav.scp and text")
    left_out: list[LeftOut] = []
    recordings = _recordings(folder / "wav.scp", Path(settings.audio_dir or ""), left_out)
    has_segments = (folder / "segments").is_file()
    if has_segments:
        audio = _segments(folder / "segments", recordings, left_out)
    else:
        audio = {name: AudioRef(path) for name, path in recordings.items()}
    texts = _pairs(folder / "text", left_out)
    utt2spk = folder / "utt2spk"
    speakers = _pairs(utt2spk, left_out) if utt2spk.is_file() else {}
    utterances = [
        Utterance(audio[name], text, name, speaker=speakers.get(name) or None)
        for name, text in texts.items()
        if name in audio and text
    ]
    left_out += [LeftOut(name, "empty text") for name in texts if not texts[name]]
    known = {each.id for each in left_out}
    left_out += [
        LeftOut(name, "text without audio")
        for name in texts
        if name not in audio and name not in known
    ]
    left_out += [LeftOut(name, "audio without text") for name in audio if name not in texts]
    return SourceData(utterances, left_out)


def _pairs(path: Path, left_out: list[LeftOut]) -> dict[str, str]:
    """Read lines of a key and the rest; a key that comes again is left out."""
    pairs: dict[str, str] = {}
    for number, line in table_lines(path):
        key, *rest = line.split(maxsplit=1)
        if key in pairs:
            left_out.append(LeftOut(key, f"the id a second time: line {number} of {path.name}"))
            continue
        pairs[key] = one_line(rest[0]) if rest else ""
    return pairs


def _recordings(path: Path, audio_dir: Path, left_out: list[LeftOut]) -> dict[str, str]:
    """Return the file of each recording; refuse commands and archives."""
    pairs = _pairs(path, left_out)
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
    return {name: str(audio_dir / rest) for name, rest in pairs.items() if rest}


def _segments(
    path: Path, recordings: dict[str, str], left_out: list[LeftOut]
) -> dict[str, AudioRef]:
    """Read lines of utterance, recording, start and end; an end of -1 is that of the recording."""
    segments: dict[str, AudioRef] = {}
    for number, line in table_lines(path):
        place = f"line {number} of {path.name}"
        fields = line.split()
        try:
            name, recording, start, end = fields[0], fields[1], float(fields[2]), float(fields[3])
        except (IndexError, ValueError):
            raise UserError(
                f"{path}, line {number}: {line.strip()!r}; expected <utterance> <recording> "
                "<start> <end>",
                "times are in seconds",
            ) from None
        if recording not in recordings:
            left_out.append(LeftOut(name, f"unknown recording {recording}: {place}"))
        elif not (0 <= start < math.inf and (end == -1 or start < end < math.inf)):
            left_out.append(LeftOut(name, f"times: {start:g} to {end:g} s, {place}"))
        elif name in segments:
            left_out.append(LeftOut(name, f"the id a second time: {place}"))
        else:
            stop = None if end == -1 else end
            segments[name] = AudioRef(recordings[recording], start, stop)
    return segments


def _some(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"the recording {names[0]} is"
    return f"{len(names)} recordings ({', '.join(names[:3])}, ...) are"
