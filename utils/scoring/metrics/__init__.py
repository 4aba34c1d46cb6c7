"""What can be counted: a plain dict of metrics, one file each.

To add one, write a file beside this one with a function from text to tokens, and give it a row in
`METRICS`. The rest (counts, intervals, gates, reports) follows from the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from utils.scoring.metrics.cer import characters, grapheme_clusters
from utils.scoring.metrics.mer import characters_and_words
from utils.scoring.metrics.wer import words

Tokenizer = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Metric:
    """A way to count errors."""

    title: str
    unit: str
    """What its tokens are called, in the plural."""
    tokenize: Tokenizer


CLUSTERS = "cer@2"

METRICS: dict[str, Metric] = {
    "cer": Metric("character error rate", "characters", characters),
    "wer": Metric("word error rate", "words", words),
    "mer": Metric("mixed error rate", "characters and words", characters_and_words),
    CLUSTERS: Metric("character error rate (clusters)", "grapheme clusters", grapheme_clusters),
}
"""Metric name -> what it counts. The sentence error rate (ser.py) comes with each of them."""

MEETING_METRICS = {
    "cpwer": "concatenated minimum-permutation word error rate",
    "tcpwer": "time-constrained minimum-permutation word error rate",
}
"""Of recordings with several speakers: meeteval counts them, from segments in place of texts."""


def unit_of(metric: str) -> str:
    """Return what the tokens of a metric are called, in the plural."""
    return METRICS[metric].unit if metric in METRICS else "words"
