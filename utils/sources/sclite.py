"""sclite's forms, out: STM (segments) and CTM (words), sorted as sclite wants them.

https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm. Both name a recording by its file's
name without the ending, and count channels from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from utils.audio.clip import Seconds
from utils.cli.files import atomic_write
from utils.manifest.utterance import Utterance
from utils.sources.files import expect_own_file


class _Segment(NamedTuple):
    recording: str
    channel: int
    start: Seconds
    end: Seconds
    speaker: str
    text: str


def write_stm(path: Path, utterances: Iterable[Utterance]) -> int:
    """Write a line for each sentence whose times are known, else for each utterance.

    Args:
        path: where to.
        utterances: with durations.

    Returns:
        The number of lines written.

    Raises:
        UserError: an utterance lies inside a tar, which has no name of its own there.
    """
    lines = []
    for each in sorted(_segments(utterances)):
        place = f"{each.recording} {each.channel} {each.speaker}"
        lines.append(f"{place} {each.start:.3f} {each.end:.3f} {each.text}")
    return _write(path, lines)


def write_ctm(path: Path, utterances: Iterable[Utterance]) -> int:
    """Write a line for each word; within a sentence words are spread evenly, by their letters.

    Args:
        path: where to.
        utterances: with durations.

    Returns:
        The number of lines written.

    Raises:
        UserError: as of `write_stm`.
    """
    lines = []
    for each in sorted(_segments(utterances)):
        words = each.text.split()
        letters = sum(map(len, words))
        start = each.start
        for word in words:
            length = (each.end - each.start) * len(word) / letters
            lines.append(f"{each.recording} {each.channel} {start:.3f} {length:.3f} {word}")
            start += length
    return _write(path, lines)


def _segments(utterances: Iterable[Utterance]) -> Iterator[_Segment]:
    for utterance in utterances:
        expect_own_file(utterance, "no line of sclite's")
        audio = utterance.audio
        recording = "_".join(Path(audio.path).stem.split())
        channel, begin = (audio.channel or 0) + 1, audio.start_time or 0.0
        speaker = "_".join((utterance.speaker or "unknown").split())
        if utterance.sentences:
            for each in utterance.sentences:
                times = (begin + each.start, begin + each.end)
                yield _Segment(recording, channel, *times, speaker, each.text)
        elif utterance.sentence:
            end = begin + (utterance.duration or 0.0)
            yield _Segment(recording, channel, begin, end, speaker, utterance.sentence)


def _write(path: Path, lines: list[str]) -> int:
    with atomic_write(path) as file:
        file.writelines(f"{line}\n" for line in lines)
    return len(lines)
