"""What is in two lines: the same sound, the same words of a speaker, a speaker in two sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from utils.manifest.check_sound import is_silent
from utils.manifest.findings import Finding, Line, Severity
from utils.manifest.probe import AudioFacts, Unheard
from utils.manifest.sound_print import alike


def same_audio(lines: Sequence[Line]) -> Iterator[Finding]:
    """Compare each sound with the first line that has the same samples."""
    first: dict[str, Line] = {}
    for line in lines:
        if isinstance(line.heard, Unheard) or is_silent(line.heard):
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


def nearly_same_audio(lines: Sequence[Line]) -> Iterator[Finding]:
    """Name each sound that is an earlier one re-encoded, louder, or a little shifted."""
    first: dict[str, tuple[Line, AudioFacts]] = {}
    for line in lines:
        heard = line.heard
        if isinstance(heard, AudioFacts) and heard.sound_print and not is_silent(heard):
            first.setdefault(heard.sha256, (line, heard))
    different = list(first.values())
    pairs = alike(
        [heard.sound_print for _, heard in different], [heard.duration for _, heard in different]
    )
    told: set[int] = set()
    for pair in pairs:
        if pair.later in told:
            continue
        told.add(pair.later)
        earlier, line = different[pair.earlier][0], different[pair.later][0]
        in_two_sets = earlier.manifest != line.manifest
        kind = "nearly the same audio in two sets" if in_two_sets else "nearly the same audio"
        message = f"sounds like {earlier.place}: {1 - 2 * pair.difference:.0%} alike"
        yield line.finding("warning", kind, message, 1 - pair.difference)


def same_text(lines: Sequence[Line]) -> Iterator[Finding]:
    """Compare each text with the first line in which the same speaker says it."""
    first: dict[tuple[str, str], Line] = {}
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


def _is_same_sound(one: Line, other: Line) -> bool:
    both = isinstance(one.heard, AudioFacts) and isinstance(other.heard, AudioFacts)
    return both and one.heard == other.heard


def text_in_two_sets(lines: Sequence[Line]) -> Iterator[Finding]:
    """Name each line whose words another speaker says in an earlier set."""
    first: dict[str, Line] = {}
    for line in lines:
        speaker, text = line.utterance.speaker, line.utterance.sentence
        if not text:
            continue
        earlier = first.setdefault(text, line)
        same_voice = speaker is not None and speaker == earlier.utterance.speaker
        known = same_voice or _is_same_sound(earlier, line)  # told as such already
        if earlier.manifest != line.manifest and not known:
            yield line.finding("note", "text in two sets", f"the words of {earlier.place}")


def same_speaker(lines: Sequence[Line]) -> Iterator[Finding]:
    """Name each speaker of an earlier set once, at the first line of a later set.

    Where one speaker says everything, that is what the data is for: a note.
    """
    everyone = {line.utterance.speaker for line in lines}
    first: dict[str, Line] = {}
    told: set[tuple[str, Path]] = set()
    for line in lines:
        speaker = line.utterance.speaker
        if speaker is None:
            continue
        earlier = first.setdefault(speaker, line)
        if earlier.manifest == line.manifest or (speaker, line.manifest) in told:
            continue
        told.add((speaker, line.manifest))
        message = f"speaker {speaker} speaks in {earlier.manifest} too (line {earlier.number})"
        severity: Severity = "warning" if len(everyone) > 1 else "note"
        yield line.finding(severity, "speaker in two sets", message)
