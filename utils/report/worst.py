"""What to look at first: the utterances that a model lost, or where it has most errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from utils.report.markdown import utterance_block
from utils.report.report_data import ReportData, SetView
from utils.scoring.score import UtteranceScore


@dataclass(frozen=True)
class Loss:
    """An utterance on which a model has errors.

    Attributes:
        model: Its name.
        test_set: Name of the set.
        metric: By which the errors are counted.
        utterance: Its reference and its hypothesis.
        more: Errors more than the baseline's; all errors where there is none.
        baseline: Name of the baseline, if there is one.
    """

    model: str
    test_set: str
    metric: str
    utterance: UtteranceScore
    more: int
    baseline: str | None = None

    def to_markdown(self) -> str:
        """The utterance with its tokens aligned."""
        return utterance_block(self.utterance, self.metric)


def pairs_of(report_data: ReportData) -> Iterator[tuple[SetView, str, str | None]]:
    """Yield each test set with a model in question and its baseline."""
    for view in report_data.sets:
        against = {
            each["model"]: each["baseline"]
            for each in report_data.results["comparisons"]
            if each.get("test_set", view.name) == view.name
        }
        for model in view.scores:
            if model not in report_data.baselines:
                baseline = against.get(model)
                yield view, model, baseline if baseline in view.scores else None


def losses(view: SetView, model: str, baseline: str | None, limit: int) -> list[Loss]:
    """Return the utterances that make a model worse than its baseline, worst first.

    Args:
        view: The test set.
        model: In question.
        baseline: Held against it; without one the utterances with most errors are returned.
        limit: The most that are returned.
    """
    score = view.scores[model]
    more = score.errors - view.scores[baseline].errors if baseline else score.errors
    order = np.lexsort((-score.errors, -more))
    return [
        Loss(model, view.name, view.metric, score.utterance(int(place)), int(more[place]), baseline)
        for place in order[:limit]
        if more[place] > 0
    ]


def regressed_first(report_data: ReportData) -> list[tuple[SetView, str, str | None]]:
    """Return the pairs with the largest rise of the rate first."""

    def rise(pair: tuple[SetView, str, str | None]) -> float:
        view, model, baseline = pair
        rate = view.scores[model].rate or 0.0
        return (view.scores[baseline].rate or 0.0) - rate if baseline else -rate

    return sorted(pairs_of(report_data), key=rise)
