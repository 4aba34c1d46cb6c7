"""What a gate can ask for: a plain dict of measures, one function each.

A measure reads a value from a score, and its 95 % interval where it is uncertain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from utils.scoring.buckets import Bucket
from utils.scoring.metrics import MEETING_METRICS, METRICS

if TYPE_CHECKING:
    # Only their shape is needed here, and a mistyped gate shall be answered at once.
    from utils.scoring.score import Score
    from utils.scoring.statistics import Comparison, Interval

Reading = tuple["float | None", "Interval | None"]
"""A value, None where there is none, and its interval where it is uncertain."""


@dataclass(frozen=True)
class Measured:
    """A model's score on one test set, with what is known of its certainty."""

    model: str
    score: Score
    interval: Interval | None
    baseline: str | None = None
    comparison: Comparison | None = None
    """With `baseline`; needed by the measures that end in `.delta`."""
    baseline_score: Score | None = None
    """With `baseline`; needed for parts of the test set and for sentences."""
    test_set: str = ""
    """Short name of the test set."""
    seed: int = 0
    """Of the bootstrap, where a part must be measured by itself."""

    def within(self, bucket: Bucket | None) -> Measured:
        """Return the same of a part of the test set."""
        if bucket is None:
            return self
        chosen = bucket.holds(self.score.predictions)
        other = self.baseline_score
        return self._with(self.score.where(chosen), other.where(chosen) if other else None)

    @property
    def doubt(self) -> str:
        """Why its interval decides nothing; "" where it does."""
        from utils.scoring.blocks import doubt

        return doubt(self.score)

    @property
    def sentences(self) -> Measured:
        """The same with each utterance one sentence, right or wrong."""
        other = self.baseline_score
        return self._with(self.score.sentences, other.sentences if other else None)

    def _with(self, score: Score, baseline_score: Score | None) -> Measured:
        from utils.scoring.statistics import compare, rate_interval

        comparison = None
        if baseline_score is not None:
            comparison = compare(score, baseline_score, seed=self.seed)
        return replace(
            self,
            score=score,
            interval=rate_interval(score, seed=self.seed),
            comparison=comparison,
            baseline_score=baseline_score,
        )


@dataclass(frozen=True)
class Measure:
    """Something a gate can ask for."""

    description: str
    read: Callable[[Measured], Reading]
    metric: str | None = None
    """The metric that the test set must be counted by; None where any will do."""
    needs_baseline: bool = False
    certain: bool = False
    """Whether it is a count of this test set, which has no interval because it needs none."""


def _rate(measured: Measured) -> Reading:
    return measured.score.rate, measured.interval


def _delta(measured: Measured) -> Reading:
    if measured.comparison is None:
        return None, None
    return measured.comparison.difference, measured.comparison.interval


def _counted(description: str, name: str) -> Measure:
    """Return a measure of one of the counts, which are certain."""
    return Measure(
        description,
        lambda measured: (float(getattr(measured.score.counts, name)), None),
        certain=True,
    )


_TITLES = {**{name: each.title for name, each in METRICS.items()}, **MEETING_METRICS}

MEASURES: dict[str, Measure] = {
    **{name: Measure(title, _rate, name) for name, title in _TITLES.items()},
    **{
        f"{name}.delta": Measure(f"{title} minus the baseline's", _delta, name, True)
        for name, title in _TITLES.items()
    },
    "ser": Measure("sentence error rate", lambda m: _rate(m.sentences)),
    "ser.delta": Measure(
        "sentence error rate minus the baseline's",
        lambda m: _delta(m.sentences),
        needs_baseline=True,
    ),
    "substitutions": _counted("number of substituted tokens", "substitutions"),
    "deletions": _counted("number of deleted tokens", "deletions"),
    "insertions": _counted("number of inserted tokens", "insertions"),
    "insertions.nospeech": Measure(
        "number of hallucinated tokens: insertions where the reference is empty",
        lambda m: (float(m.score.no_speech.insertions), None),
        certain=True,
    ),
    "failed": _counted("number of utterances that could not be transcribed", "failed"),
    "missing": _counted("number of utterances without a prediction", "missing"),
}
