"""Conditions on a score, and the three answers: pass, regress, inconclusive.

`cer<=0.05, cer.delta<=0.002` reads: the CER is at most 5 %, and at most 0.2 points above the
baseline's. A condition on a rate is decided by its 95 % interval: it passes where the whole
interval fulfils it, regresses where none of it does, and is inconclusive in between. Counts
(insertions, failed) are exact.

A new measure is one function and one row in `MEASURES`.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.cli.errors import UserError

if TYPE_CHECKING:
    # Only their shape is needed here, and a mistyped gate shall be answered at once.
    from utils.scoring.score import Score
    from utils.scoring.statistics import Comparison, Interval

PASS, REGRESS, INCONCLUSIVE = "pass", "regress", "inconclusive"
EXIT_CODES = {PASS: 0, REGRESS: 3, INCONCLUSIVE: 4}
_SAYINGS = {
    PASS: "the gate passes",
    REGRESS: "the gate does not pass: a condition is not met",
    INCONCLUSIVE: "the gate is undecided: the test set is too small to tell",
}


@dataclass(frozen=True)
class Measured:
    """A model's score with what is known of its certainty."""

    model: str
    score: Score
    interval: Interval | None
    baseline: str | None = None
    comparison: Comparison | None = None
    """With `baseline`; needed by the measures that end in `.delta`."""


@dataclass(frozen=True)
class Measure:
    """Something a gate can ask for."""

    description: str
    read: Callable[[Measured], tuple[float | None, Interval | None]]
    """Returns the value, and its interval where it is uncertain."""
    metric: str | None = None
    """The metric that the run must have counted; None where any will do."""
    needs_baseline: bool = False


def _rate(measured: Measured) -> tuple[float | None, Interval | None]:
    return measured.score.rate, measured.interval


def _delta(measured: Measured) -> tuple[float | None, Interval | None]:
    assert measured.comparison is not None
    return measured.comparison.difference, measured.comparison.interval


MEASURES: dict[str, Measure] = {
    "cer": Measure("character error rate", _rate, metric="cer"),
    "wer": Measure("word error rate", _rate, metric="wer"),
    "cer.delta": Measure(
        "character error rate minus the baseline's", _delta, metric="cer", needs_baseline=True
    ),
    "wer.delta": Measure(
        "word error rate minus the baseline's", _delta, metric="wer", needs_baseline=True
    ),
    "insertions": Measure(
        "number of inserted tokens", lambda m: (float(m.score.counts.insertions), None)
    ),
    "insertions.nospeech": Measure(
        "number of tokens heard where nothing was said",
        lambda m: (float(m.score.no_speech.insertions), None),
    ),
    "failed": Measure(
        "number of utterances that could not be transcribed",
        lambda m: (float(m.score.counts.failed), None),
    ),
}

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*([\w.]+)\s*(<=|>=|<|>)\s*([^\s<>=]+)\s*")


@dataclass(frozen=True)
class Condition:
    """One part of a gate: a measure, how to compare, and the limit."""

    measure: str
    comparison: str
    limit: float

    def __str__(self) -> str:
        return f"{self.measure}{self.comparison}{self.limit:g}"


@dataclass(frozen=True)
class Verdict:
    """What one condition says of one model."""

    condition: Condition
    model: str
    baseline: str | None
    value: float | None
    interval: Interval | None
    answer: str

    @property
    def sentence(self) -> str:
        """The verdict in words, with its numbers."""
        value = "has no value" if self.value is None else f"is {self.value:.4g}"
        interval = self.interval
        sure = f" (95 %: {interval[0]:.4g} to {interval[1]:.4g})" if interval else ""
        against = f" against {self.baseline}" if self.baseline else ""
        return (
            f"{self.answer}: {self.condition} for {self.model}{against}: "
            f"{self.condition.measure} {value}{sure}"
        )


@dataclass(frozen=True)
class GateAnswer:
    """The answer to a whole gate: the worst of its verdicts."""

    answer: str
    verdicts: tuple[Verdict, ...]

    @property
    def exit_code(self) -> int:
        """0 pass, 3 regress, 4 inconclusive."""
        return EXIT_CODES[self.answer]

    @property
    def sentence(self) -> str:
        """The answer in words."""
        return _SAYINGS[self.answer]


def parse_gate(text: str) -> tuple[Condition, ...]:
    """Read a gate such as "cer<=0.05, cer.delta<=0.2%".

    Args:
        text: Conditions parted by commas; a limit may be a percentage.

    Raises:
        UserError: A name is not known (the nearest is offered), or a part is no condition.
    """
    parts = [part for part in text.split(",") if part.strip()]
    if not parts:
        raise UserError("the gate is empty", 'It looks like --gate="cer<=0.05, failed<=0".')
    return tuple(map(_parse_condition, parts))


def check_gate(conditions: Iterable[Condition], metric: str, *, has_baseline: bool) -> None:
    """Refuse a gate that this run cannot answer, before the run's work is done.

    Args:
        conditions: From `parse_gate`.
        metric: What the run counts.
        has_baseline: Whether the run compares with another model.

    Raises:
        UserError: A condition needs another metric, or a baseline.
    """
    for condition in conditions:
        measure = MEASURES[condition.measure]
        if measure.metric not in (None, metric):
            raise UserError(
                f"the gate asks for {condition.measure}, but this run counts {metric}",
                f"Add --metric={measure.metric}, or ask for "
                f"{condition.measure.replace(str(measure.metric), metric)}.",
            )
        if measure.needs_baseline and not has_baseline:
            raise UserError(
                f"the gate asks for {condition.measure}, but there is no model to compare with",
                "Add --baseline=<model>.",
            )


def answer_gate(conditions: Iterable[Condition], measured: Sequence[Measured]) -> GateAnswer:
    """Decide every condition for every model.

    Args:
        conditions: From `parse_gate`.
        measured: One for each model, or for each model and baseline where there are baselines.

    Returns:
        Regress where any condition does; else inconclusive where any is; else pass.
    """
    verdicts: dict[Verdict, None] = {}  # a condition without baseline is decided once a model
    for condition in conditions:
        for each in measured:
            verdicts[_decide(condition, each)] = None
    answers = {verdict.answer for verdict in verdicts}
    worst = next((a for a in (REGRESS, INCONCLUSIVE) if a in answers), PASS)
    return GateAnswer(worst, tuple(verdicts))


def _parse_condition(part: str) -> Condition:
    found = _CONDITION.fullmatch(part)
    known = ", ".join(MEASURES)
    if found is None:
        raise UserError(
            f"the gate's part {part.strip()!r} is not a condition such as cer<=0.05",
            f"A condition is a name, one of {' '.join(_OPERATORS)}, and a number. Names: {known}.",
        )
    name, comparison, limit = found.groups()
    if name not in MEASURES:
        nearest = difflib.get_close_matches(name.lower(), MEASURES, n=1, cutoff=0.4)
        offer = f"Did you mean {nearest[0]}? " if nearest else ""
        raise UserError(f"the gate knows no {name!r}", f"{offer}Known names: {known}.")
    return Condition(name, comparison, _parse_limit(limit, part))


def _parse_limit(limit: str, part: str) -> float:
    digits, percent = (limit[:-1], 100.0) if limit.endswith("%") else (limit, 1.0)
    try:
        value = float(digits) / percent
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise UserError(
            f"{limit!r} in the gate's part {part.strip()!r} is not a number",
            "Write a rate as 0.05 or 5%, a count as 3.",
        )
    return value


def _decide(condition: Condition, measured: Measured) -> Verdict:
    measure = MEASURES[condition.measure]
    value, interval = measure.read(measured)
    holds = _OPERATORS[condition.comparison]
    # Every limit is one-sided, so the two ends of the interval speak for all of it.
    ends = {holds(end, condition.limit) for end in interval or (() if value is None else (value,))}
    answer = PASS if ends == {True} else REGRESS if ends == {False} else INCONCLUSIVE
    baseline = measured.baseline if measure.needs_baseline else None
    return Verdict(condition, measured.model, baseline, value, interval, answer)
