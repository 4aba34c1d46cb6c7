"""What is known of each line after it was checked: a record of fixed size, and its findings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from utils.audio.fingerprint import bytes_of, table_of
from utils.audio.probe import AudioFacts, UnreadableAudio, probe
from utils.manifest.duplicates import NO_KEY, hash64
from utils.manifest.durations import stated_duration
from utils.manifest.utterance import Utterance
from utils.validation.findings import Finding, Inspector, Line, ProbeResult
from utils.validation.sound import check_sentences, check_sound, check_times, is_silent
from utils.validation.text import check_signs, check_text

READABLE, UNREADABLE, NOT_DECODED = 0, 1, 2

RECORD = np.dtype(
    [
        *(("state", "u1"), ("no_speech", "?"), ("letters", "<u4")),
        *(("duration", "<f8"), ("rate", "<u4"), ("channels", "<u4")),
        *(("peak", "<f8"), ("loudness", "<f8"), ("clipped", "<f8"), ("shift", "<f8")),
        ("sha256", "V32"),
        # Hashes of what is compared between lines; NO_KEY for what is compared with nothing.
        *(("sound_key", "<u8"), ("text_key", "<u8")),
        *(("speaker_key", "<u8"), ("speaker_text_key", "<u8")),
    ]
)
"""What is kept of a line, 116 bytes beside the 201 of its sound's fingerprint: on disk, never
all in memory."""

# A finding is told after those of a lower rank of the same line.
LISTED, OF_LINE, OF_PAIR, OF_INSPECTOR = range(4)


class Task(NamedTuple):
    """Some lines of a manifest: their numbers, and their utterances."""

    manifest: Path
    numbers: Sequence[int]
    utterances: Sequence[Utterance]


class CheckedLines(NamedTuple):
    """What was found in the lines of a task.

    Attributes:
        lines: the lines themselves.
        records: of `RECORD`, one a line.
        fingerprints: of `fingerprint.FINGERPRINT`, one a line.
        findings: with their ranks.
        languages: how many lines are in which.
    """

    lines: list[Line]
    records: np.ndarray
    fingerprints: np.ndarray
    findings: list[tuple[int, Finding]]
    languages: Counter[str]


@dataclass(frozen=True)
class Look:
    """How lines are looked at.

    Attributes:
        listen: decode the audio; else only what the manifest states is checked.
        inspectors: what else looks at lines whose sound can be read, in any process: functions of
            modules where there are several.
    """

    listen: bool = True
    inspectors: Sequence[Inspector] = ()

    def checker(self) -> Callable[[Task], CheckedLines]:
        """Return what looks at a task, in a form that can be sent to another process."""
        return partial(check_lines, self)


def check_lines(look: Look, task: Task) -> CheckedLines:
    """Look at some lines, each by itself."""
    lines = [
        Line(task.manifest, number, each, probe(each.audio) if look.listen else None)
        for number, each in zip(task.numbers, task.utterances, strict=True)
    ]
    findings = [(OF_LINE, finding) for line in lines for finding in _check_line(line)]
    findings += inspected(look.inspectors, lines)
    records = np.array([_record(line) for line in lines], RECORD)
    fingerprints = table_of([_fingerprint_of(line.probed) for line in lines])
    languages = Counter(line.utterance.language or "?" for line in lines)
    return CheckedLines(lines, records, fingerprints, findings, languages)


def inspected(inspectors: Sequence[Inspector], lines: Sequence[Line]) -> list[tuple[int, Finding]]:
    """Return what inspectors find in the lines whose sound can be read."""
    readable = [line for line in lines if not isinstance(line.probed, UnreadableAudio)]
    return [(OF_INSPECTOR, found) for inspect in inspectors for found in inspect(readable)]


def _check_line(line: Line) -> Iterator[Finding]:
    """Yield what is wrong with one line by itself."""
    probed = line.probed
    if probed is None:
        stated = stated_duration(line.utterance)
        if stated is not None:
            yield from check_sentences(line, stated)
        yield from check_text(line, stated)
        return
    if isinstance(probed, UnreadableAudio):
        kind = {"outside": "piece outside the file"}.get(probed.kind, f"{probed.kind} audio")
        yield line.finding("error", kind, probed.message)
        yield from check_signs(line)
        return
    yield from check_sound(line, probed)
    yield from check_times(line, probed)
    yield from check_text(line, probed.duration)


# ---------------------------------------------------------------------------------------------
# Records.


def _record(line: Line) -> tuple[Any, ...]:
    """Return the fields of a line's record, in the order of `RECORD`."""
    utterance, probed = line.utterance, line.probed
    text, speaker = utterance.sentence, utterance.speaker
    keys = (
        hash64(text) if text else NO_KEY,
        NO_KEY if speaker is None else hash64(speaker),
        hash64(f"{speaker}\n{text}") if text and speaker is not None else NO_KEY,
    )
    if isinstance(probed, AudioFacts):
        return (
            *(READABLE, utterance.is_no_speech, len(text)),
            *(probed.duration, probed.sampling_rate, probed.channels),
            *(probed.peak, probed.loudness, probed.clipped, probed.shift),
            bytes.fromhex(probed.sha256),
            # All silence is alike.
            NO_KEY if is_silent(probed) else hash64(probed.sha256),
            *keys,
        )
    stated = None if probed is not None else stated_duration(utterance)
    return (
        *(NOT_DECODED if probed is None else UNREADABLE, utterance.is_no_speech, len(text)),
        *(math.nan if stated is None else stated, 0, 0),
        *(0.0, 0.0, 0.0, 0.0),
        bytes(32),
        NO_KEY,
        *keys,
    )


def _fingerprint_of(probed: ProbeResult | None) -> bytes:
    return probed.audio_fingerprint if isinstance(probed, AudioFacts) else b""


def probe_result_of(record: np.void, audio_fingerprint: np.void) -> ProbeResult | None:
    """Return the probe result of a line; why its audio could not be read stands in its finding."""
    if record["state"] == NOT_DECODED:
        return None
    if record["state"] == UNREADABLE:
        return UnreadableAudio("unreadable", "reported as a finding")
    return AudioFacts(
        duration=float(record["duration"]),
        sampling_rate=int(record["rate"]),
        channels=int(record["channels"]),
        peak=float(record["peak"]),
        loudness=float(record["loudness"]),
        clipped=float(record["clipped"]),
        shift=float(record["shift"]),
        sha256=record["sha256"].tobytes().hex(),
        audio_fingerprint=bytes_of(audio_fingerprint),
    )
