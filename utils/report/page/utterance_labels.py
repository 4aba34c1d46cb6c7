"""What an utterance is like, as labels: every field of the manifest, and what can be measured.

The page filters by them, and the tables of parts are made of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from utils.audio.probe import AudioFacts, probe
from utils.manifest.utterance import Utterance
from utils.report.report_data import SetView
from utils.scoring.buckets import BUCKETS

Labels = dict[str, list[str]]
"""Field -> the label of each utterance; "" where there is none."""

MOST_LABELS = 200
CLASSES = 5
LOUDNESS_STEP = 6  # dB; twice the amplitude
# A few seconds of decoding; above that the loudness must be asked for.
MOST_LISTENED = 1000


def labels_of(view: SetView, *, loudness: bool | None = None) -> Labels:
    """Return the labels of a test set's utterances.

    Args:
        view: The test set.
        loudness: Whether to decode all sound and measure it; None does so for small sets.
    """
    lines = view.lines
    labels: Labels = {kind: [label(each) for each in lines] for kind, label in BUCKETS.items()}
    utterances = [view.utterances.get(id) for id in view.ids]
    if view.utterances:
        labels["task"] = [(each and each.task) or "" for each in utterances]
        labels["channel"] = [_channel(each) for each in utterances]
        if loudness if loudness is not None else len(lines) <= MOST_LISTENED:
            labels["loudness"] = _loudness(utterances)
        labels.update(_own_fields(utterances))
    return labels


def _channel(utterance: Utterance | None) -> str:
    """Return the number of the channel that is heard alone, as the manifest counts; "" for all."""
    channel = utterance.audio.channel if utterance else None
    return "" if channel is None else str(channel)


def _tells_apart(values: Sequence[str]) -> bool:
    return 2 <= len(set(values)) <= MOST_LABELS


def _own_fields(utterances: Sequence[Utterance | None]) -> Labels:
    """Return the fields of the manifest that only its owner knows."""
    names = Counter(name for each in utterances if each for name in each.extra)
    labels = {}
    for name in names:
        values = [each.extra.get(name) if each else None for each in utterances]
        if all(value is None or isinstance(value, str | int | float | bool) for value in values):
            labels[name] = _as_labels(values)
    return labels


def _as_labels(values: Sequence[Any]) -> list[str]:
    """Return values as text; many different numbers as a few classes of equal size."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    is_measured = len(set(numbers)) > 2 * CLASSES and len(numbers) == sum(
        value is not None for value in values
    )
    if not is_measured:
        return ["" if value is None else str(value) for value in values]
    ends = np.unique(np.quantile(np.array(numbers, dtype=float), np.linspace(0, 1, CLASSES + 1)))
    names = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(ends)]
    return [
        ""
        if value is None
        else names[min(int(np.searchsorted(ends[1:-1], value, side="right")), len(names) - 1)]
        for value in values
    ]


def _loudness(utterances: Iterable[Utterance | None]) -> list[str]:
    """Return each sound's loudness as a class of 6 dB; "" where the sound cannot be read."""
    utterances = list(utterances)
    refs = [each.audio for each in utterances if each]
    facts = map(probe, refs)
    return [_loudness_class(next(facts)) if each else "" for each in utterances]


def _loudness_class(facts: Any) -> str:
    if not isinstance(facts, AudioFacts):
        return ""
    if math.isinf(facts.loudness):
        return "silence"
    low = LOUDNESS_STEP * math.floor(facts.loudness / LOUDNESS_STEP)
    return f"{low} to {low + LOUDNESS_STEP} dBFS"


def labels_of_all(views: Sequence[SetView], *, loudness: bool | None = None) -> Labels:
    """Return the labels of several test sets' utterances, one set after another.

    Args:
        views: The test sets.
        loudness: As in `labels_of`.

    Returns:
        Only fields that tell utterances apart, by two to `MOST_LABELS` labels; "set" is the test
        set.
    """
    parts = [
        {"set": [view.name] * len(view.ids), **labels_of(view, loudness=loudness)} for view in views
    ]
    names = dict.fromkeys(name for labels in parts for name in labels)
    labels = {
        name: [
            value
            for part, view in zip(parts, views, strict=True)
            for value in part.get(name, [""] * len(view.ids))
        ]
        for name in names
    }
    return {name: values for name, values in labels.items() if _tells_apart(values)}
