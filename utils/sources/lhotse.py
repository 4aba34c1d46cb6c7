"""Lhotse's manifests, in and out (https://lhotse.readthedocs.io/en/latest/cuts.html).

Read are cuts (`MonoCut` with a recording in a file), or recordings together with supervisions;
written are cuts, each with its recording and a supervision for each sentence.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from utils.audio.clip import AudioRef, TimedSentence
from utils.audio.header import header_channels, header_duration
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.manifest.joining import join_sentences
from utils.manifest.json_lines import BLANK, Unreadable, json_values
from utils.manifest.utterance import Utterance
from utils.sources.files import expect_file, expect_own_file, one_line
from utils.sources.nemo import relative_to_manifest
from utils.sources.source_data import LeftOut, SourceData, SourceSettings

DIGITS = 3  # of seconds; Lhotse's own tolerance is a millisecond


@dataclass(frozen=True, kw_only=True)
class LhotseSettings(SourceSettings):
    """Lhotse cuts, or recordings with supervisions (.jsonl, .jsonl.gz)."""

    path: str
    """The cuts, or the recordings where --supervisions is given."""
    supervisions: str | None = None
    """The supervisions that belong to the recordings."""


def gather(settings: LhotseSettings) -> SourceData:
    """Read Lhotse's cuts, or recordings with supervisions.

    Raises:
        UserError: there is no such file, or it holds other things.
    """
    path = Path(settings.path)
    expect_file(path, "a Lhotse manifest")
    left_out: list[LeftOut] = []
    if settings.supervisions is None:
        cuts = _objects(path, left_out)
    else:
        supervisions = Path(settings.supervisions)
        expect_file(supervisions, "a Lhotse manifest of supervisions")
        cuts = _cuts_of(_objects(path, left_out), _objects(supervisions, left_out), left_out)
    utterances = []
    for name, cut in cuts:
        try:
            for part_name, part in _by_channel(name, cut):
                utterances.append(_utterance(path, part_name, part))
        except (LookupError, TypeError, AttributeError):
            raise UserError(
                f"{path}: {name} is no cut of Lhotse's",
                "give cuts, or recordings with --supervisions",
            ) from None
        except (ValueError, OverflowError) as error:
            left_out.append(LeftOut(name, str(error)))
    return SourceData(utterances, left_out)


def _objects(path: Path, left_out: list[LeftOut]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, value in json_values(path):
        if isinstance(value, dict):
            yield str(value.get("id", f"line {number}")), value
        elif value is not BLANK:
            problem = value.error if isinstance(value, Unreadable) else "no JSON object"
            left_out.append(LeftOut(f"line {number} of {path.name}", f"unreadable: {problem}"))


def _cuts_of(
    recordings: Iterable[tuple[str, dict[str, Any]]],
    supervisions: Iterable[tuple[str, dict[str, Any]]],
    left_out: list[LeftOut],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each supervision as a cut of its recording."""
    known = dict(recordings)
    used = set()
    for name, supervision in supervisions:
        recording = known.get(str(supervision.get("recording_id")))
        if recording is None:
            left_out.append(LeftOut(name, "text without audio"))
            continue
        used.add(str(supervision["recording_id"]))
        times = {"start": supervision.get("start"), "duration": supervision.get("duration")}
        whole = {**supervision, "start": 0.0}
        place = {**times, "channel": supervision.get("channel")}
        yield name, {"recording": recording, "supervisions": [whole], **place}
    left_out += [LeftOut(name, "audio without text") for name in known if name not in used]


def _by_channel(name: str, cut: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a cut whose supervisions are each of one channel once for each of these channels."""
    spoken = cut.get("supervisions") or ()
    sides = {_only_channel(each.get("channel")) for each in spoken}
    if isinstance(cut.get("channel"), int) or len(sides) < 2 or None in sides:
        yield name, cut
        return
    for side in sorted(each for each in sides if each is not None):
        some = [each for each in spoken if _only_channel(each.get("channel")) == side]
        yield f"{name}-ch{side}", {**cut, "channel": side, "supervisions": some}


def _only_channel(value: Any) -> int | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int) else None


def _is_heard(supervision: dict[str, Any], channel: Any) -> bool:
    """Whether what a supervision says is on a cut's channel."""
    said = supervision.get("channel")
    if not isinstance(channel, int) or said is None:
        return True
    return channel in (said if isinstance(said, list) else [said])


def _utterance(path: Path, name: str, cut: dict[str, Any]) -> Utterance:
    """Read one cut.

    Raises:
        ValueError: saying why it cannot be used.
    """
    if cut.get("type", "MonoCut") not in ("MonoCut", "MultiCut"):
        raise ValueError(f"another kind of cut: {cut['type']}, expected MonoCut")
    recording, start = cut["recording"], float(cut["start"])
    end = start + float(cut["duration"])
    file, channel = _file_and_channel(recording, cut.get("channel"))
    changes = [each.get("name") for each in recording.get("transforms") or () if each]
    if {"Speed", "Tempo"} & set(changes):
        raise ValueError(f"a transform: {', '.join(map(str, changes))} changes the sound's times")
    spoken = [each for each in cut.get("supervisions") or () if (each.get("text") or "").strip()]
    spoken = [each for each in spoken if _is_heard(each, cut.get("channel"))]
    if not spoken:
        raise ValueError("audio without text")
    sentences = [
        TimedSentence(
            max(0.0, round(float(each["start"]), DIGITS)),
            round(min(float(each["start"]) + float(each["duration"]), end - start), DIGITS),
            one_line(each["text"]),
        )
        for each in sorted(spoken, key=lambda each: float(each["start"]))
    ]
    speakers = {each.get("speaker") for each in spoken}
    languages = {each.get("language") for each in spoken} - {None}
    is_whole = start == 0 and abs(end - float(recording["duration"])) < 10**-DIGITS
    audio = AudioRef(relative_to_manifest(path, file), channel=channel)
    if not is_whole:
        audio = replace(audio, start_time=start, end_time=round(end, DIGITS))
    fields = {
        "audio": audio.to_json(),
        "sentence": join_sentences(each.text for each in sentences),
        "sentences": [each.to_json() for each in sentences],
        "id": name,
        "speaker": speakers.pop() if len(speakers) == 1 else None,
        "language": languages.pop() if len(languages) == 1 else None,
        "source": (cut.get("custom") or {}).get("source"),
    }
    return Utterance.from_json(fields, default_id=name)


def _file_and_channel(recording: dict[str, Any], wanted: Any) -> tuple[str, int | None]:
    """Return the file that holds a cut's channel, and its number there; None for the only one.

    Args:
        recording: Lhotse's, whose sources may hold some channels each.
        wanted: the cut's `channel`: a number, or a list of them.

    Raises:
        ValueError: no file holds it, or several channels of the recording are wanted.
    """
    sources = recording["sources"]
    if any(each["type"] != "file" for each in sources):
        kinds = ", ".join(str(each["type"]) for each in sources)
        raise ValueError(f"no audio file: {len(sources)} sources ({kinds}), expected files")
    known = sorted(channel for each in sources for channel in each.get("channels") or (0,))
    asked = [wanted] if isinstance(wanted, int) else list(wanted or known)
    if len(sources) == 1 and sorted(asked) == known:
        return sources[0]["source"], None  # all of them, or the only one
    if len(asked) != 1:
        raise ValueError(f"several channels: {asked} of {known}, expected one")
    for each in sources:
        channels = list(each.get("channels") or (0,))
        if asked[0] in channels:
            number = channels.index(asked[0])
            return each["source"], number if len(channels) > 1 else None
    raise ValueError(f"unknown channel: {asked[0]}, the recording has {known}")


# ---------------------------------------------------------------------------------------------
# Out.


def write_cuts(path: Path, utterances: Iterable[Utterance]) -> int:
    """Write utterances as Lhotse cuts.

    Args:
        path: where to.
        utterances: with durations, and audio paths relative to the manifest's folder.

    Returns:
        The number of cuts written.

    Raises:
        UserError: an utterance lies inside a tar, or its file cannot be read.
    """
    recordings: dict[str, dict[str, Any]] = {}
    count = 0
    with atomic_write(path) as file:
        for utterance in utterances:
            expect_own_file(utterance, "no recording of Lhotse's")
            # Lhotse takes relative paths from the current folder, which may be any.
            audio = os.path.abspath(path.parent / utterance.audio.path)
            if audio not in recordings:
                recordings[audio] = _recording(audio)
            cut = _cut(utterance, recordings[audio])
            file.write(json.dumps(cut, ensure_ascii=False) + "\n")
            count += 1
    return count


def _recording(path: str) -> dict[str, Any]:
    seconds, rate = header_duration(AudioRef(path)), _sampling_rate(path)
    channels = list(range(header_channels(AudioRef(path))))
    return {
        "id": Path(path).stem,
        "sources": [{"type": "file", "channels": channels, "source": path}],
        "sampling_rate": rate,
        "num_samples": round(seconds * rate),
        "duration": seconds,
        "channel_ids": channels,
    }


def _sampling_rate(path: str) -> int:
    import av
    import soundfile

    try:
        return int(soundfile.info(path).samplerate)
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        with av.open(path) as container:
            return int(container.streams.audio[0].rate)


def _cut(utterance: Utterance, recording: dict[str, Any]) -> dict[str, Any]:
    duration = utterance.duration or 0.0
    channels = recording["channel_ids"]
    channel: int | list[int] = channels if len(channels) > 1 else 0
    if utterance.audio.channel is not None:
        channel = utterance.audio.channel
    timed = utterance.sentences
    if timed is None:
        timed = (TimedSentence(0.0, duration, utterance.sentence),)
    supervisions = [
        {
            "id": f"{utterance.id}-{number}" if len(timed) > 1 else utterance.id,
            "recording_id": recording["id"],
            "start": each.start,
            "duration": round(each.end - each.start, DIGITS),
            "channel": channel,
            "text": each.text,
            "language": utterance.language,
            "speaker": utterance.speaker,
        }
        for number, each in enumerate(timed)
    ]
    return {
        "id": utterance.id,
        "start": utterance.audio.start_time or 0.0,
        "duration": duration,
        "channel": channel,
        "supervisions": [
            {name: value for name, value in each.items() if value is not None}
            for each in supervisions
        ],
        "recording": recording,
        "custom": {"source": utterance.source},
        "type": "MonoCut" if isinstance(channel, int) else "MultiCut",
    }
