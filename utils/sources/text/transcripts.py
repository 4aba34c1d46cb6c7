"""Line by line: NIST's STM and CTM, and the label tracks of Audacity.

STM and CTM are sclite's forms, of which a file may hold several recordings:
https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm

An Audacity label track has tabs between start, end and text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from utils.audio.clip import Seconds
from utils.sources.files import channel_number, one_line
from utils.sources.text.cues import Cue

# A pause between words of a CTM that ends a sentence, and the longest sentence.
_PAUSE: Seconds = 0.5
_LONGEST: Seconds = 15.0
# Stretches that nobody transcribed; sclite leaves them out of its scores.
_IGNORED = ("ignore_time_segment_in_scoring", "excluded_region")
_NO_SPEECH = ("inter_segment_gap",)
_CHOICE = re.compile(r"\{\s*([^{}/]*?)\s*/[^{}]*\}")
# Sounds and hesitations: {NOISE}, (%hesitation), %uh; and a word that nobody understood.
_SOUND = re.compile(r"\{\s*([A-Z_]+)\s*\}|\(\s*%([\w-]+)\s*\)|(?<!\S)%([a-z][\w-]*)")
_UNKNOWN_WORD = re.compile(r"<unk>|\(\(\s*\)\)", re.IGNORECASE)
_LABEL_LINE = re.compile(r"^\s*-?\d+(?:[.,]\d+)?\t\s*-?\d+(?:[.,]\d+)?(?:\t.*)?$")


def read_stm(text: str, tier: str | None) -> Iterator[Cue]:
    """Yield the segments of an STM; `tier` is the recording, None takes all.

    Raises:
        ValueError: a line is none of STM's.
    """
    rows = list(_lines(text))
    first = _first_channel([line.split()[1] for _, line in rows if len(line.split()) > 4])
    for number, line in rows:
        fields = line.split(maxsplit=5)
        if len(fields) < 5:
            raise ValueError(f"line {number} is no file, channel, speaker, start, end and text")
        name, channel, speaker, start, end = fields[:5]
        transcript = fields[5] if len(fields) > 5 else ""
        if tier is not None and name != tier:
            continue
        transcript = re.sub(r"^<[^<>]*>\s*", "", transcript)  # labels for scores by group
        place = (_seconds(start, number), _seconds(end, number))
        side = channel_number(channel) - first
        if speaker.lower() in _NO_SPEECH:
            continue
        is_ignored = transcript.strip().lower() in _IGNORED or speaker.lower() in _IGNORED
        unknown = _UNKNOWN_WORD.search(transcript)
        problem = f"not transcribed: {transcript if is_ignored else unknown[0] if unknown else ''}"
        transcript = _SOUND.sub(lambda found: f"[{found[1] or found[2] or found[3]}]", transcript)
        transcript = one_line(_CHOICE.sub(r"\1", transcript))
        yield Cue(*place, transcript, speaker, side, problem if is_ignored or unknown else "")


def read_ctm(text: str, tier: str | None) -> Iterator[Cue]:
    """Yield the words of a CTM, put together where no pause is between them.

    Raises:
        ValueError: a line is none of CTM's.
    """
    words: dict[tuple[str, str], list[tuple[Seconds, Seconds, str]]] = {}
    for number, line in _lines(text):
        fields = line.split()
        if len(fields) < 5:
            raise ValueError(f"line {number} is no file, channel, start, duration and word")
        name, channel, start, duration, word = fields[:5]
        if fields[-1].lower() == "non-lex" or (tier is not None and name != tier):
            continue
        begin = _seconds(start, number)
        words.setdefault((name, channel), []).append(
            (begin, begin + _seconds(duration, number), word)
        )
    first = _first_channel([channel for _, channel in words])
    for (_, channel), spoken in words.items():
        yield from _sentences(spoken, channel_number(channel) - first)


def _sentences(words: list[tuple[Seconds, Seconds, str]], channel: int) -> Iterator[Cue]:
    group: list[tuple[Seconds, Seconds, str]] = []
    for word in sorted(words):
        if group and (word[0] - group[-1][1] > _PAUSE or word[1] - group[0][0] > _LONGEST):
            yield _sentence(group, channel)
            group = []
        group.append(word)
    if group:
        yield _sentence(group, channel)


def _sentence(group: list[tuple[Seconds, Seconds, str]], channel: int) -> Cue:
    text = " ".join(word for _, _, word in group)
    return Cue(round(group[0][0], 3), round(group[-1][1], 3), text, None, channel)


def read_labels(text: str, tier: str | None) -> Iterator[Cue]:
    r"""Yield the labels of an Audacity track; lines that begin with `\` are frequencies.

    Raises:
        ValueError: a line is no label.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        if not _LABEL_LINE.match(line):
            raise ValueError(f"line {number} is no start, end and text with tabs between them")
        start, end, *transcript = line.split("\t", 2)
        yield Cue(
            max(0.0, _seconds(start, number)), _seconds(end, number), one_line(" ".join(transcript))
        )


def is_label_track(text: str) -> bool:
    """Whether a text file is a label track of Audacity's."""
    lines = [each for each in text.split("\n") if each.strip() and not each.startswith("\\")]
    return bool(lines) and all(_LABEL_LINE.match(each) for each in lines)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is no comment (`;;`) and not blank."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith(";;"):
            yield number, line


def _first_channel(names: list[str]) -> int:
    """Return 1 where channels are counted from 1, as sclite does; 0 for letters or a channel 0."""
    return 1 if names and all(name.isdigit() and int(name) > 0 for name in names) else 0


def _seconds(text: str, line: int) -> Seconds:
    try:
        seconds = float(text.strip().replace(",", "."))
    except ValueError:
        seconds = float("nan")
    if not -1e9 < seconds < 1e9:
        raise ValueError(f"line {line}: {text!r} is no time in seconds")
    return seconds
