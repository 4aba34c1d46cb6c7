"""SubRip and WebVTT: two times with an arrow between them, then text.

Such files are written by many programs and by hand. What stands between two lines of times belongs
to the first of them, blank lines or not; an arrow may be any dashes; and where times cannot be
read, the stretch up to the next cue is named as one of which the text is not known.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from utils.audio.clip import Seconds
from utils.sources.text.cues import CLOCK, FOREVER, Cue, clock
from utils.sources.text.rolling import each_line_once

# The arrow as it should be, and what editors, encodings and people make of it.
_ARROW = r"(?:[-–—−‐=~]{1,4}\s*(?:>|&gt;|›|»)|[-–—−=]{2,4}|→|⟶|⇒|➔|➜)"
_TIMES = re.compile(rf"^\s*\(?\[?\s*{CLOCK}\s*{_ARROW}\s*{CLOCK}")
# Times are meant here, whatever became of them.
_MEANT = re.compile(rf"^\W*{CLOCK}\W*(?:$|\W+\d)|-->|--&gt;")
_SPACED = re.compile(r"(?<=\d)\s*([:.,])\s*(?=\d)")
_A_CLOCK = re.compile(CLOCK)
# None of these looks past where another could begin: a line of a million brackets takes no time.
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]+)>")
_COMMENTS = ("NOTE", "STYLE", "REGION")


@dataclass
class _Open:
    """A cue whose text is being read; times are None where they could not be."""

    start: Seconds | None
    end: Seconds | None
    line: str
    lines: list[str] = field(default_factory=list)
    numbered: str | None = None


def read_arrows(text: str, tier: str | None) -> Iterator[Cue]:
    """Yield the cues of SubRip or WebVTT, in the order of the file."""
    opened = list(_opened(text.split("\n")))
    starts = [each.start for each in opened[1:]]
    cues: list[Cue] = []
    before: Seconds = 0.0
    for number, each in enumerate(opened):
        if each.start is not None and each.end is not None:
            cues += _by_voices(Cue(each.start, each.end, "\n".join(each.lines)))
            before = each.end
            continue
        following = next((start for start in starts[number:] if start is not None), FOREVER)
        start = before if each.start is None else each.start
        end = max(following, start) if each.end is None else each.end
        transcript = _plain("\n".join(each.lines)) or each.line.strip()
        cues.append(
            Cue(start, end, transcript, problem=f"times that cannot be read: {each.line.strip()}")
        )
    yield from each_line_once([replace(each, text=_plain(each.text)) for each in cues])


def _opened(lines: Sequence[str]) -> Iterator[_Open]:
    """Yield what stands between lines of times, with the number of the next cue taken away."""
    is_vtt = any(line.strip() for line in lines) and lines[0].lstrip("\ufeff").startswith("WEBVTT")
    current: _Open | None = None
    waiting: list[str] = []  # lines of the current cue, or of what comes before the first
    for line in lines:
        # Full-width digits, and spaces in times, are times all the same.
        times = _TIMES.match(_SPACED.sub(r"\1", unicodedata.normalize("NFKC", line)))
        if times is None and not _MEANT.search(line):
            waiting.append(line)
            continue
        number = _taken_number(waiting, current, is_vtt)
        yield from _finished(current, waiting, is_vtt)
        found = [] if times is None else [*times.groups()]
        if times is not None:
            current = _Open(clock(*found[:4]), clock(*found[4:]), line, numbered=number)
        else:
            current = _Open(*_some_times(line), line, numbered=number)
        waiting = []
    yield from _finished(current, waiting, is_vtt)


def _some_times(line: str) -> tuple[Seconds | None, Seconds | None]:
    """Return what can be read of times that are not whole: they only bound what is not known."""
    known = [clock(*found) for found in _A_CLOCK.findall(line)]
    # A time below 0, or only the arrow and the end.
    has_no_start = line.lstrip().startswith(("-", "–", "—"))
    if not known or has_no_start:
        return None, known[-1] if known else None
    return known[0], known[1] if len(known) > 1 and known[1] > known[0] else None


def _taken_number(waiting: list[str], current: _Open | None, is_vtt: bool) -> str | None:
    """Take the next cue's number, or in WebVTT its name, off the end of what was read."""
    if not waiting or not waiting[-1].strip():
        return None
    last = waiting[-1].strip()
    stands_alone = len(waiting) == 1 or not waiting[-2].strip()
    is_first = current is None or (len(waiting) == 1 and not is_vtt)
    if last.isdigit():
        # Without a blank line before it, a number ends the text only where cues are numbered.
        if stands_alone and not (is_first and current is not None and current.numbered is None):
            return waiting.pop().strip()
        if current is None or current.numbered is not None:
            return waiting.pop().strip()
        return None
    if is_vtt and stands_alone and len(waiting) > 1:
        return waiting.pop().strip()
    return None


def _finished(current: _Open | None, waiting: Sequence[str], is_vtt: bool) -> Iterator[_Open]:
    kept = list(_without_comments(waiting)) if is_vtt else [*waiting]
    if current is not None:
        current.lines = [line for line in kept if line.strip()]
        yield current


def _without_comments(lines: Sequence[str]) -> Iterator[str]:
    """Leave out blocks of WebVTT that are no text: NOTE, STYLE and REGION."""
    is_comment, is_new = False, False
    for line in lines:
        if not line.strip():
            is_comment, is_new = False, True
        elif is_new and line.split(maxsplit=1)[0] in _COMMENTS:
            is_comment = True
        if line.strip():
            is_new = False
        if not is_comment:
            yield line


def _by_voices(cue: Cue) -> list[Cue]:
    """Give a cue the name in its voice tag; one of several voices keeps their lines apart."""
    voices = list(dict.fromkeys(name.strip() for name in _VOICE.findall(cue.text)))
    return [replace(cue, speaker=voices[0] if len(voices) == 1 else None)]


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", text)).replace("\u200b", "")
