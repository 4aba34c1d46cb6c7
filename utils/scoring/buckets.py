"""Parts of a test set that a gate can look at by themselves.

To add a kind, give it a function from a prediction to a label, and a row in `BUCKETS`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from utils.cli.errors import UserError
from utils.scoring.predictions import Prediction

_BUCKET = re.compile(r"\s*(\w+)\s*=\s*(.+?)\s*")
# The upper ends of the classes of duration, in seconds.
DURATIONS = (2, 5, 10, 20, 30)
# The upper ends of the classes of speech rate, in characters a second: slow to fast Mandarin is 3
# to 8, English 8 to 20.
SPEECH_RATES = (2, 4, 6, 8, 12, 16, 20)


def duration_class(seconds: float) -> str:
    """Return the class of a duration: "0-2", "2-5", "5-10", "10-20", "20-30" or "30-".

    Example:
        >>> duration_class(4.9), duration_class(5), duration_class(31)
        ('2-5', '5-10', '30-')
    """
    low = 0
    for high in DURATIONS:
        if seconds < high:
            return f"{low}-{high}"
        low = high
    return f"{low}-"


def speech_rate_class(characters: int, seconds: float) -> str:
    """Return the class of a speech rate in characters a second, "" where there is no speech.

    Example:
        >>> speech_rate_class(9, 2.0), speech_rate_class(0, 2.0)
        ('4-6/s', '')
    """
    if not characters or seconds <= 0:
        return ""
    low = 0
    for high in SPEECH_RATES:
        if characters / seconds < high:
            return f"{low}-{high}/s"
        low = high
    return f"{low}-/s"


BUCKETS: dict[str, Callable[[Prediction], str]] = {
    "language": lambda each: each.language or "",
    "speaker": lambda each: each.speaker or "",
    "source": lambda each: each.source or "",
    "duration": lambda each: duration_class(each.audio_seconds),
    "speech_rate": lambda each: speech_rate_class(
        len("".join(each.reference.split())), each.audio_seconds
    ),
    "speech": lambda each: "yes" if each.reference.strip() else "no",
}
"""Kind of bucket -> the label of a prediction."""


@dataclass(frozen=True)
class Bucket:
    """The utterances with one label, such as language=zh."""

    kind: str
    label: str

    def __str__(self) -> str:
        return f"{self.kind}={self.label}"

    def holds(self, predictions: Sequence[Prediction]) -> list[bool]:
        """Tell which utterances are in it."""
        label_of = BUCKETS[self.kind]
        return [label_of(each) == self.label for each in predictions]


def parse_bucket(text: str) -> Bucket:
    """Read a bucket such as "language=zh" or "duration=0-2".

    Raises:
        UserError: It is no bucket, or of an unknown kind (the nearest is offered).
    """
    found = _BUCKET.fullmatch(text)
    known = ", ".join(BUCKETS)
    if found is None:
        raise UserError(
            f"{text!r} is not a bucket such as language=zh", f"Kinds of buckets: {known}."
        )
    kind, label = found.groups()
    if kind not in BUCKETS:
        nearest = difflib.get_close_matches(kind.lower(), BUCKETS, n=1, cutoff=0.4)
        offer = f"Did you mean {nearest[0]}? " if nearest else ""
        raise UserError(f"the gate knows no bucket {kind!r}", f"{offer}Known kinds: {known}.")
    return Bucket(kind, label)
