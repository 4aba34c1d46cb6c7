"""The doctor: what is wrong with manifests and their audio, before an hour is spent on training.

`check_manifests` reads every line, listens to every sound, and lists what it finds. A finding is an
*error* (the line teaches something false, or cannot be used), a *warning* (probably wrong) or a
*note* (worth knowing; nothing to mend).
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from utils.cli.progress import progress
from utils.manifest.probe import AudioFacts, Unheard, probe_all
from utils.manifest.read import Manifest, repeated_ids, scan_manifest
from utils.manifest.utterance import Seconds, Utterance

Severity = Literal["error", "warning", "note"]
Heard = AudioFacts | Unheard

# Whisper hears 30 seconds at a time, at 16 kHz.
LONGEST: Seconds = 30.0
SAMPLING_RATE = 16_000
# Times and durations may be rounded, and codecs work in frames.
TIME_TOLERANCE: Seconds = 0.1
SILENT_PEAK = -60.0  # dBFS
# Lossy codecs overshoot by a little; more than this is a wrong scale.
LOUDEST = 3.0  # dBFS
CLIPPED_SHARE = 0.001
# The fastest speakers reach 9 Chinese characters or 25 Latin letters a second.
HAN_A_SECOND = 12.0
LETTERS_A_SECOND = 35.0
# Text for less than this share of the time is suspicious in audio longer than SLOW_FROM.
SLOW_SHARE = 0.01
SLOW_FROM: Seconds = 5.0

_SYLLABLE_SIGNS = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class Finding:
    """Something found in a line of a manifest; `id` is empty where the line has none."""

    severity: Severity
    kind: str
    manifest: Path
    line: int
    id: str
    message: str


@dataclass(frozen=True)
class Summary:
    """What a manifest holds; durations are measured ones, of what can be read."""

    manifest: Path
    lines: int
    usable: int
    seconds: Seconds
    shortest: Seconds
    median: Seconds
    longest: Seconds
    speakers: int
    distinct_texts: int
    no_speech: int
    languages: Mapping[str, int]
    sampling_rates: Mapping[int, int]
    channels: Mapping[int, int]


@dataclass(frozen=True)
class Diagnosis:
    """All that was found in some manifests."""

    summaries: Sequence[Summary]
    findings: Sequence[Finding]

    @property
    def exit_code(self) -> int:
        """0 for nothing to mend, 1 for warnings, 2 for errors."""
        severities = {finding.severity for finding in self.findings}
        return 2 if "error" in severities else 1 if "warning" in severities else 0


@dataclass(frozen=True)
class _Line:
    """An utterance with its place and what was heard."""

    manifest: Path
    number: int
    utterance: Utterance
    heard: Heard

    def finding(self, severity: Severity, kind: str, message: str) -> Finding:
        return Finding(severity, kind, self.manifest, self.number, self.utterance.id, message)

    @property
    def place(self) -> str:
        return f"{self.manifest} line {self.number}"


def check_manifests(paths: Sequence[Path], num_workers: int = 0) -> Diagnosis:
    """Read manifests, listen to all of their audio, and list what is wrong.

    Args:
        paths: manifests of one set each, such as train, dev and test: what is in two of them is a
            leak.
        num_workers: processes that decode; 0 for none but this one.

    Returns:
        A summary of each manifest and the findings, in the order of the lines.

    Raises:
        UserError: a manifest is missing, or is no manifest at all.
        Failure: a decoding process died.
    """
    summaries: list[Summary] = []
    findings: list[Finding] = []
    lines: list[_Line] = []
    for path in paths:
        manifest, broken = scan_manifest(path)
        for kind, bad_lines in (("broken line", broken), ("repeated id", repeated_ids(manifest))):
            findings += [
                Finding("error", kind, manifest.path, bad.line, "", bad.message)
                for bad in bad_lines
            ]
        its_lines = _listen(manifest, num_workers)
        if not its_lines:
            message = "holds no usable line"
            findings.append(Finding("error", "empty manifest", manifest.path, 0, "", message))
        summaries.append(_summary(manifest, its_lines, len(broken)))
        lines += its_lines
    for line in lines:
        findings += _check_line(line)
    findings += _same_audio(lines)
    findings += _same_text(lines)
    order = {path: number for number, path in enumerate(paths)}
    findings.sort(key=lambda each: (order[each.manifest], each.line))
    return Diagnosis(summaries, findings)


def _check_line(line: _Line) -> Iterator[Finding]:
    """Yield what is wrong with one line by itself."""
    heard = line.heard
    if isinstance(heard, Unheard):
        kind = {"outside": "piece outside the file"}.get(heard.kind, f"{heard.kind} audio")
        yield line.finding("error", kind, heard.message)
        return
    yield from _check_sound(line, heard)
    yield from _check_times(line, heard)
    yield from _check_text(line, heard)


def _check_sound(line: _Line, heard: AudioFacts) -> Iterator[Finding]:
    if heard.peak < SILENT_PEAK and not line.utterance.is_no_speech:
        message = f"the loudest sample is {heard.peak:.0f} dBFS, but there is text"
        yield line.finding("warning", "silent", message)
    if heard.peak > LOUDEST:
        message = f"samples reach {heard.peak:.1f} dBFS and are cut off at 0 when used"
        yield line.finding("warning", "out of range", message)
    elif heard.clipped > CLIPPED_SHARE:
        yield line.finding("warning", "clipped", f"{heard.clipped:.1%} of the samples are cut off")
    if heard.sampling_rate < SAMPLING_RATE:
        message = f"{heard.sampling_rate} Hz; the model was trained on {SAMPLING_RATE} Hz"
        yield line.finding("note", "low sampling rate", message)
    if heard.channels > 1:
        yield line.finding("note", "several channels", f"{heard.channels} channels, to be mixed")


def _check_times(line: _Line, heard: AudioFacts) -> Iterator[Finding]:
    utterance, audio = line.utterance, line.utterance.audio
    if audio.end_time is not None:
        missing = audio.end_time - (audio.start_time or 0.0) - heard.duration
        if missing > TIME_TOLERANCE:
            message = f"end_time lies {missing:.2f} s after the end of the file"
            yield line.finding("error", "piece outside the file", message)
    stated = utterance.duration
    if stated is not None and abs(stated - heard.duration) > max(TIME_TOLERANCE, 0.02 * stated):
        message = f"{stated:.2f} s stated, {heard.duration:.2f} s found"
        yield line.finding("warning", "other duration", message)
    if heard.duration > LONGEST + TIME_TOLERANCE:
        message = f"{heard.duration:.1f} s; the model hears {LONGEST:g} s at a time"
        yield line.finding("warning", "too long", message)
    before = 0.0
    for index, sentence in enumerate(utterance.sentences or ()):
        if sentence.end > heard.duration + TIME_TOLERANCE:
            message = f"sentences[{index}] ends at {sentence.end:g} s of {heard.duration:.2f} s"
            yield line.finding("error", "sentence outside the audio", message)
        if sentence.start < before - TIME_TOLERANCE:
            message = f"sentences[{index}] starts at {sentence.start:g} s, before {before:g} s"
            yield line.finding("warning", "sentences overlap", message)
        before = max(before, sentence.end)


def _check_text(line: _Line, heard: AudioFacts) -> Iterator[Finding]:
    utterance = line.utterance
    if utterance.is_no_speech:
        if utterance.sentences is None:
            message = 'no text; where nothing is said, add "sentences": []'
            yield line.finding("warning", "empty text", message)
        return
    needed = speaking_time(utterance.sentence)
    length = len(utterance.sentence)
    if needed > heard.duration:
        message = f"{length} characters in {heard.duration:.2f} s"
        yield line.finding("warning", "too fast to be true", message)
    elif heard.duration > SLOW_FROM and needed < SLOW_SHARE * heard.duration:
        message = f"{length} characters in {heard.duration:.1f} s"
        yield line.finding("warning", "too slow to be true", message)


def speaking_time(text: str) -> Seconds:
    """Return how long the fastest of speakers would need for a text.

    >>> speaking_time("今天天气很好今天天气很好")
    1.0
    """
    syllables = len(_SYLLABLE_SIGNS.findall(text))
    letters = sum(letter.isalnum() for letter in text) - syllables
    return syllables / HAN_A_SECOND + letters / LETTERS_A_SECOND


# ---------------------------------------------------------------------------------------------
# Lines against each other.


def _same_audio(lines: Sequence[_Line]) -> Iterator[Finding]:
    """Compare each sound with the first line that has the same samples."""
    first: dict[str, _Line] = {}
    for line in lines:
        if isinstance(line.heard, Unheard) or line.heard.peak < SILENT_PEAK:
            continue  # all silence is alike
        earlier = first.setdefault(line.heard.sha256, line)
        if earlier is line:
            continue
        if earlier.manifest != line.manifest:
            yield line.finding("error", "audio in two sets", f"the sound of {earlier.place}")
        elif earlier.utterance.sentence != line.utterance.sentence:
            message = f"the sound of {earlier.place} with another text"
            yield line.finding("error", "one sound, two texts", message)
        else:
            yield line.finding("warning", "repeated audio", f"the sound of {earlier.place}")


def _same_text(lines: Sequence[_Line]) -> Iterator[Finding]:
    """Compare each text with the first line in which the same speaker says it."""
    first: dict[tuple[str, str], _Line] = {}
    for line in lines:
        speaker, text = line.utterance.speaker, line.utterance.sentence
        if speaker is None or not text:
            continue
        earlier = first.setdefault((speaker, text), line)
        if earlier is line or _is_same_sound(earlier, line):
            continue
        message = f"speaker {speaker} says the text of {earlier.place}"
        if earlier.manifest != line.manifest:
            yield line.finding("warning", "text of a speaker in two sets", message)
        else:
            yield line.finding("note", "repeated text", message)


def _is_same_sound(one: _Line, other: _Line) -> bool:
    both = isinstance(one.heard, AudioFacts) and isinstance(other.heard, AudioFacts)
    return both and one.heard == other.heard


def _listen(manifest: Manifest, num_workers: int) -> list[_Line]:
    heard = progress(
        probe_all([utterance.audio for utterance in manifest], num_workers),
        total=len(manifest),
        desc=f"listening to {manifest.path}",
        unit="utt",
    )
    return [
        _Line(manifest.path, number, utterance, each)
        for number, utterance, each in zip(manifest.lines, manifest, heard, strict=True)
    ]


def _summary(manifest: Manifest, lines: Sequence[_Line], broken: int) -> Summary:
    facts = [line.heard for line in lines if isinstance(line.heard, AudioFacts)]
    durations = [each.duration for each in facts] or [0.0]
    utterances = manifest.utterances
    return Summary(
        manifest=manifest.path,
        lines=len(lines) + broken,
        usable=len(facts),
        seconds=sum(durations),
        shortest=min(durations),
        median=statistics.median(durations),
        longest=max(durations),
        speakers=len({each.speaker for each in utterances if each.speaker is not None}),
        distinct_texts=len({each.sentence for each in utterances if each.sentence}),
        no_speech=sum(each.is_no_speech for each in utterances),
        languages=Counter(each.language or "?" for each in utterances),
        sampling_rates=Counter(each.sampling_rate for each in facts),
        channels=Counter(each.channels for each in facts),
    )
