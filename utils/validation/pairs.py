"""What is in two lines: the same sound, the same words of a speaker, a speaker in two sets.

Lines are compared by hashes on disk, and read only where those are alike: memory does not grow with
the number of lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from utils.audio.fingerprint import LEAST_STEPS, Pairs, alike
from utils.audio.probe import AudioFacts
from utils.manifest.duplicates import NO_KEY, first_of_same
from utils.validation.diagnosis import LineRecords
from utils.validation.findings import Finding, Line, Severity
from utils.validation.sound import is_silent

_BLOCK = 1 << 16


def check_pairs(lines: LineRecords, folder: Path) -> Iterator[Finding]:
    """Compare each line with the first that has the same sound, nearly the same, words or speaker.

    Memory grows with the different sounds alone, by 40 bytes each; see `alike`.

    Args:
        lines: of all manifests.
        folder: for files of 32 bytes a line.

    Yields:
        Findings, in the order of the lines.
    """
    keys = ("sound_key", "speaker_text_key", "text_key", "speaker_key")
    first = {key: first_of_same(lines.records[key], folder / key) for key in keys}
    near = _nearly_same_sounds(lines, first["sound_key"], first["text_key"])
    has_several = _has_several_speakers(lines)
    told: set[tuple[str | None, Path]] = set()
    for place in _suspects(lines, first, near):
        line = lines[place]
        earlier = {key: int(first[key][place]) for key in keys}
        others = {key: None if each == place else lines[each] for key, each in earlier.items()}
        yield from _same_audio(line, others["sound_key"])
        near_by = list(_nearly_same_audio(lines, place, near))
        yield from near_by
        if not near_by:  # which tells of the text too
            yield from _same_text(line, others["speaker_text_key"])
            yield from _text_in_two_sets(line, others["text_key"])
        speaker = line.utterance.speaker
        if (speaker, line.manifest) not in told:
            found = list(_same_speaker(line, others["speaker_key"], has_several))
            told |= {(speaker, line.manifest)} if found else set()
            yield from found


def _nearly_same_sounds(lines: LineRecords, first: np.ndarray, same_text: np.ndarray) -> Pairs:
    """Compare all different sounds of one text by their fingerprints.

    Two sentences of one synthesised voice that differ in a word have fingerprints that differ less
    than those of a sentence before and after a poor codec; only the text tells them apart.

    Args:
        lines: of all manifests.
        first: place of the first line with the same sound, int64 (N,).
        same_text: place of the first line with the same text, int64 (N,).
    """
    blocks = [np.empty(0, np.int64)]
    for start in range(0, len(lines), _BLOCK):
        places = np.arange(start, min(start + _BLOCK, len(lines)))
        is_sound = lines.records["sound_key"][start : start + _BLOCK] != NO_KEY
        is_first = np.asarray(first[start : start + _BLOCK]) == places
        has_fingerprint = lines.fingerprints["steps"][start : start + _BLOCK] >= LEAST_STEPS
        blocks.append(places[is_sound & is_first & has_fingerprint])
    different = np.concatenate(blocks)
    return alike(lines.fingerprints, lines.records["duration"], different, same_text)


def _suspects(lines: LineRecords, first: dict[str, np.ndarray], near: Pairs) -> Iterator[int]:
    """Yield the places of lines that have something of an earlier one."""
    for start in range(0, len(lines), _BLOCK):
        places = np.arange(start, min(start + _BLOCK, len(lines)))
        its_manifest = np.searchsorted(lines.starts, places, side="right")
        suspect = np.zeros(len(places), dtype=bool)
        begin, end = np.searchsorted(near.later, [start, start + _BLOCK])
        suspect[near.later[begin:end] - start] = True
        for key, earlier in first.items():
            block = np.asarray(earlier[places])
            if key in ("sound_key", "speaker_text_key"):
                suspect |= block != places
            else:  # the same words and speakers are expected within a set
                suspect |= np.searchsorted(lines.starts, block, side="right") != its_manifest
        yield from places[suspect].tolist()


def _has_several_speakers(lines: LineRecords) -> bool:
    """Whether not all lines are of one speaker; one that is not stated counts as one."""
    for start in range(0, len(lines), _BLOCK):
        block = lines.records["speaker_key"][start : start + _BLOCK]
        if (block != lines.records["speaker_key"][0]).any():
            return True
    return False


def _same_audio(line: Line, earlier: Line | None) -> Iterator[Finding]:
    if earlier is None or not _is_same_sound(earlier, line):
        return
    if earlier.manifest != line.manifest:
        yield line.finding("error", "audio in two sets", f"the sound of {earlier.place}")
    elif earlier.utterance.sentence != line.utterance.sentence:
        message = f"the sound of {earlier.place} with another text"
        yield line.finding("error", "one sound, two texts", message)
    else:
        yield line.finding("warning", "repeated audio", f"the sound of {earlier.place}")


def _nearly_same_audio(lines: LineRecords, place: int, near: Pairs) -> Iterator[Finding]:
    """Tell of a sound that is an earlier one re-encoded, louder, or a little shifted."""
    number = int(np.searchsorted(near.later, place))
    if number == len(near.later) or near.later[number] != place:
        return
    line, earlier = lines[place], lines[int(near.earlier[number])]
    difference = float(near.difference[number])
    in_two_sets = earlier.manifest != line.manifest
    kind = "nearly the same audio in two sets" if in_two_sets else "nearly the same audio"
    message = f"sounds like {earlier.place}: {1 - 2 * difference:.0%} alike"
    yield line.finding("warning", kind, message, 1 - difference)


def _same_text(line: Line, earlier: Line | None) -> Iterator[Finding]:
    """Tell of a text that the same speaker says in an earlier line."""
    if earlier is None or _is_equal(earlier, line):
        return
    speaker, text = line.utterance.speaker, line.utterance.sentence
    if (speaker, text) != (earlier.utterance.speaker, earlier.utterance.sentence):
        return  # only their hashes are alike
    message = f"speaker {speaker} says the text of {earlier.place}"
    if earlier.manifest != line.manifest:
        yield line.finding("warning", "text of a speaker in two sets", message)
    else:
        yield line.finding("note", "repeated text", message)


def _text_in_two_sets(line: Line, earlier: Line | None) -> Iterator[Finding]:
    """Tell of words that another speaker says in an earlier set."""
    if earlier is None or earlier.manifest == line.manifest:
        return
    speaker, text = line.utterance.speaker, line.utterance.sentence
    same_voice = speaker is not None and speaker == earlier.utterance.speaker
    known = same_voice or _is_equal(earlier, line)  # told as such already
    if not known and text == earlier.utterance.sentence:
        yield line.finding("note", "text in two sets", f"the words of {earlier.place}")


def _same_speaker(line: Line, earlier: Line | None, has_several: bool) -> Iterator[Finding]:
    """Tell of a speaker of an earlier set.

    Where one speaker says everything, that is what the data is for: a note.
    """
    speaker = line.utterance.speaker
    if earlier is None or earlier.manifest == line.manifest:
        return
    if speaker != earlier.utterance.speaker:
        return
    message = f"speaker {speaker} speaks in {earlier.manifest} too (line {earlier.number})"
    severity: Severity = "warning" if has_several else "note"
    yield line.finding(severity, "speaker in two sets", message)


def _is_equal(one: Line, other: Line) -> bool:
    """Whether two sounds are equal in all that was measured, silence too."""
    return isinstance(one.probed, AudioFacts) and one.probed == other.probed


def _is_same_sound(one: Line, other: Line) -> bool:
    """Whether both hold the same samples, and not only silence."""
    if not isinstance(one.probed, AudioFacts) or not isinstance(other.probed, AudioFacts):
        return False
    return one.probed.sha256 == other.probed.sha256 and not is_silent(other.probed)
