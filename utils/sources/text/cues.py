"""A cue: what a subtitle file says about one stretch of its recording."""

from __future__ import annotations

import re
from dataclasses import dataclass

from utils.audio.clip import Seconds, TimedSentence

FOREVER: Seconds = 1e9
CLOCK = r"(?:(\d+)[:;])?(\d{1,2})[:;](\d{1,2})(?:[.,:;](\d+))?"


@dataclass(frozen=True)
class Cue:
    """Text and when it is said.

    Attributes:
        start: in seconds from the beginning of the recording.
        end: likewise; `FOREVER` where nobody knows.
        text: on one line, but for line breaks that tell speakers apart.
        speaker: who says it, where the file tells.
        channel: the one that it belongs to, from 0, where the file states it.
        problem: why neither the text nor the times can be relied on; empty where they can. What is
            said from `start` to `end` is then not known.
    """

    start: Seconds
    end: Seconds
    text: str
    speaker: str | None = None
    channel: int | None = None
    problem: str = ""

    @property
    def sentence(self) -> TimedSentence:
        """The same in the manifest's form; a speaker is kept as a field of the sentence."""
        extra = {} if self.speaker is None else {"speaker": self.speaker}
        return TimedSentence(self.start, self.end, " ".join(self.text.split()), extra)


def clock(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> Seconds:
    """Return the seconds of a time such as 1:02:03,450, of whose parts `CLOCK` has a group each."""
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return round(whole + float(f"0.{fraction or 0}"), 3)


def clock_of(text: str) -> Seconds | None:
    """Return the seconds of a time that stands alone, None where the text is no time."""
    found = re.fullmatch(CLOCK, text.strip())
    return None if found is None else clock(*found.groups())
