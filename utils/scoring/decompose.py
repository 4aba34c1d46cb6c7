"""What a change between two results is made of.

From the earlier rate to the later one, one thing is changed at a time, and the rate counted again:
the steps add up to the whole change, to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from utils.scoring.predictions import Prediction
from utils.scoring.score import NormalizerChoice, score_predictions


@dataclass(frozen=True)
class Side:
    """One of the two results: one model on one test set.

    Attributes:
        predictions: With their references.
        metric: By which they were counted.
        normalizer: By which their texts were normalised.
        stated: The rate in the results file; None where no reference has a token.
    """

    predictions: Sequence[Prediction]
    metric: str
    normalizer: NormalizerChoice
    stated: float | None


@dataclass(frozen=True)
class Step:
    """One thing that changed, and the rate after it."""

    name: str
    rate: float
    change: float


def decompose(before: Side, after: Side) -> list[Step]:
    """Return the steps from the earlier rate to the later one.

    The order is: the scorer (today's code on the earlier texts), lines that are gone, references,
    normalizer and metric, model, lines that are new, the scorer again (of the later results).

    Raises:
        ValueError: The two have no utterance in common, or a rate is not defined.
    """
    early = {each.id: each for each in before.predictions}
    late = {each.id: each for each in after.predictions}
    common = [id for id in early if id in late]
    if not common:
        raise ValueError("the two results have no utterance in common")
    kept = [early[id] for id in common]
    fixed = [replace(early[id], reference=late[id].reference) for id in common]
    in_both = [late[id] for id in common]
    rates = [
        ("before", before.stated),
        ("scorer, before", _rate(before.predictions, before)),
        ("missing lines", _rate(kept, before)),
        ("references", _rate(fixed, before)),
        ("normalizer", _rate(fixed, replace(after, metric=before.metric))),
        ("metric", _rate(fixed, after)),
        ("model", _rate(in_both, after)),
        ("new lines", _rate(after.predictions, after)),
        ("scorer, after", after.stated),
    ]
    known = [(name, rate) for name, rate in rates if rate is not None]
    if len(known) < len(rates):
        raise ValueError("a rate is not defined: no reference has a token")
    steps = [Step("before", known[0][1], 0.0)]
    for (_, earlier), (name, rate) in pairwise(known):
        steps.append(Step(name, rate, rate - earlier))
    return steps


def _rate(predictions: Sequence[Prediction], side: Side) -> float | None:
    return score_predictions(predictions, side.metric, side.normalizer).rate
