"""Conditions on a score, and the three answers: pass, regress, inconclusive.

`cer<=0.05, cer.delta<=0.002` reads: the CER is at most 5 %, and at most 0.2 points above the
baseline's. A condition on a rate is decided by its 95 % interval: it passes where the whole
interval fulfils it, regresses where none of it does, and is inconclusive in between, without an
interval, and where the interval speaks of a handful of speakers alone. Counts (insertions, failed)
are exact.

A file of gates has conditions for each test set, or for a part of one (buckets.py):

    all: failed<=0, missing<=0
    aishell: [cer<=5%, cer.delta<=0.2%]
    aishell[duration=0-2]: cer<=10%
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.errors import UserError
from utils.scoring.buckets import Bucket, parse_bucket
from utils.scoring.measures import MEASURES, Measure, Measured

if TYPE_CHECKING:
    # Only its shape is needed here, and a mistyped gate shall be answered at once.
    from utils.scoring.statistics import Interval

PASS, REGRESS, INCONCLUSIVE = "pass", "regress", "inconclusive"
EXIT_CODES = {PASS: 0, REGRESS: 3, INCONCLUSIVE: 4}
_SAYINGS = {
    PASS: "the gate passes: every condition is met",
    REGRESS: "the gate does not pass: a condition is not met",
    INCONCLUSIVE: "the gate is undecided: the test set is too small to tell",
}
NO_INTERVAL = "no interval: it takes two utterances with words"
ALL_SETS = "all"
SMALLEST_SHOWN = 1e-12
GATE_FILES = (".yaml", ".yml")

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*([\w.@]+)\s*(<=|>=|<|>)\s*([^\s<>=]+)\s*")
_SCOPE = re.compile(r"\s*([^\[\]]+?)\s*(?:\[([^\[\]]*)\])?\s*")


@dataclass(frozen=True)
class Condition:
    """One part of a gate: a measure, how to compare, the limit, and where it holds."""

    measure: str
    comparison: str
    limit: float
    test_set: str | None = None
    """Short name of the test set; None for every set whose metric fits."""
    bucket: Bucket | None = None
    """The part of the test set; None for all of it."""

    def __str__(self) -> str:
        part = f"[{self.bucket}]" if self.bucket else ""
        scope = f" on {self.test_set or ALL_SETS}{part}" if self.test_set or part else ""
        return f"{self.measure}{self.comparison}{self.limit:g}{scope}"

    @property
    def reads(self) -> Measure:
        """The measure itself."""
        return MEASURES[self.measure]

    def applies_to(self, test_set: str, metric: str) -> bool:
        """Tell whether it applies to a test set that is counted by a metric."""
        return self.test_set in (None, test_set) and self.reads.metric in (None, metric)


@dataclass(frozen=True)
class Verdict:
    """What one condition says of one model on one test set."""

    condition: Condition
    model: str
    baseline: str | None
    value: float | None
    interval: Interval | None
    answer: str
    test_set: str = ""
    doubt: str = ""
    """Why the interval decides nothing, or is missing."""

    @property
    def sentence(self) -> str:
        """The verdict in words, with its numbers."""
        name, unit, write = _units(self.condition)
        value = "has no value" if self.value is None else f"is {write(self.value)}{unit}"
        interval = self.interval
        certainty = []
        if interval:
            # An open end at 0 is the smallest number there is (statistics.py).
            low = "above 0" if 0 < interval[0] < SMALLEST_SHOWN else write(interval[0])
            certainty.append(f"95 %: {low} to {write(interval[1])}{unit}")
        certainty += [self.doubt] if self.doubt else []
        sure = f" ({'; '.join(certainty)})" if certainty else ""
        against = f" against {self.baseline}" if self.baseline else ""
        told = self.condition.test_set is not None or not self.test_set
        where = "" if told else f" on {self.test_set}"
        return (
            f"{self.answer}: {self.condition} for {self.model}{against}{where}: "
            f"{name} {value}{sure}"
        )


def _units(condition: Condition) -> tuple[str, str, Callable[[float], str]]:
    """Return how a measure is called in a sentence, its unit, and how its numbers are written."""
    if condition.reads.certain:
        return condition.measure, "", lambda value: f"{value:.4g}"
    name, _, delta = condition.measure.partition(".")
    unit = " points" if delta else " %"
    return name.upper() + (" change" if delta else ""), unit, lambda value: f"{100 * value:.2f}"


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


def read_gate(text: str) -> tuple[Condition, ...]:
    """Read a gate: conditions, or the path of a YAML file of them.

    Raises:
        UserError: The file cannot be read, or a part of the gate not be understood.
    """
    if not text.strip().endswith(GATE_FILES):
        return parse_gate(text)
    from utils.scoring.gate_file import read_entries

    path = Path(text.strip())
    try:
        return tuple(each for key, value in read_entries(path) for each in _scoped(key, value))
    except UserError as error:
        if error.message.startswith(str(path)):
            raise
        raise UserError(f"{path}: {error.message}", error.hint) from error


def parse_gate(text: str) -> tuple[Condition, ...]:
    """Read conditions such as "cer<=0.05, cer.delta<=0.2%".

    Args:
        text: Conditions separated by commas; a limit may be a percentage.

    Raises:
        UserError: A name is not known (the nearest is offered), or a part is no condition.
    """
    parts = [part for part in text.split(",") if part.strip()]
    if not parts:
        raise UserError("the gate is empty", 'It looks like --gate="cer<=0.05, failed<=0".')
    return tuple(map(_parse_condition, parts))


def check_gate(
    conditions: Iterable[Condition], metrics: str | Mapping[str, str], *, has_baseline: bool
) -> None:
    """Refuse a gate that this run cannot answer, before the run's work is done.

    Args:
        conditions: From `read_gate`.
        metrics: What each test set is counted by, under its short name; or the metric of the
            only test set.
        has_baseline: Whether the run compares with another model.

    Raises:
        UserError: A condition needs another metric, test set or a baseline.
    """
    counted = {"": metrics} if isinstance(metrics, str) else metrics
    for condition in conditions:
        if condition.test_set not in (None, *counted):
            nearest = difflib.get_close_matches(str(condition.test_set), counted, n=1, cutoff=0.4)
            offer = f"Did you mean {nearest[0]}? " if nearest else ""
            raise UserError(
                f"the gate's {condition} asks for a test set that is not scored",
                f"{offer}Test sets: {', '.join(counted)}; {ALL_SETS} stands for each of them.",
            )
        if not any(condition.applies_to(*each) for each in counted.items()):
            measure = str(condition.reads.metric)
            counts = counted.get(condition.test_set or "") or " and ".join(
                sorted(set(counted.values()))
            )
            raise UserError(
                f"the gate asks for {condition}, but this run counts {counts}"
                if condition.test_set
                else f"the gate asks for {condition.measure}, but this run counts {counts}",
                f"Add --metric={measure}, or ask for "
                f"{condition.measure.replace(measure, counts.split()[0])}.",
            )
        if condition.reads.needs_baseline and not has_baseline:
            raise UserError(
                f"the gate asks for {condition.measure}, but there is no model to compare with",
                "Add --baseline=<model>.",
            )


def answer_gate(conditions: Iterable[Condition], measured: Sequence[Measured]) -> GateAnswer:
    """Decide every condition for every model.

    Args:
        conditions: From `read_gate`.
        measured: One for each model and test set, or for each model, test set and baseline.

    Returns:
        Regress where any condition does; else inconclusive where any is; else pass.

    Raises:
        UserError: A condition applies to none of them.
    """
    verdicts: dict[Verdict, None] = {}  # a condition without baseline is decided once a model
    for condition in conditions:
        asked = [m for m in measured if condition.applies_to(m.test_set, m.score.metric)]
        if not asked:
            raise UserError(
                f"the gate's {condition} applies to nothing that was scored",
                f"Scored: {', '.join(sorted({m.test_set for m in measured}))}.",
            )
        for each in asked:
            verdicts[_decide(condition, each)] = None
    answers = {verdict.answer for verdict in verdicts}
    worst = next((a for a in (REGRESS, INCONCLUSIVE) if a in answers), PASS)
    return GateAnswer(worst, tuple(verdicts))


def _scoped(key: str, value: Sequence[str]) -> Iterable[Condition]:
    """Read one entry of a file of gates."""
    found = _SCOPE.fullmatch(key)
    if found is None:
        raise UserError(f"{key!r} is no test set", "Write it as test or test[language=zh].")
    name, bucket = found.groups()
    scope = None if name == ALL_SETS else name
    part = None if bucket is None else parse_bucket(bucket)
    for condition in parse_gate(",".join(value)):
        yield replace(condition, test_set=scope, bucket=part)


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
    part = measured.within(condition.bucket)
    # Nothing can be said of a part without utterances, not even that none of them failed.
    value, interval = condition.reads.read(part) if part.score.predictions else (None, None)
    holds = _OPERATORS[condition.comparison]
    # Every limit is one-sided, so the two ends of the interval speak for all of it.
    certain = (value,) if condition.reads.certain and value is not None else ()
    bounds = interval or certain
    ends = {holds(end, condition.limit) for end in bounds}
    why = _doubt(condition, part, value, interval)
    answer = PASS if ends == {True} else REGRESS if ends == {False} else INCONCLUSIVE
    baseline = measured.baseline if condition.reads.needs_baseline else None
    return Verdict(
        condition,
        measured.model,
        baseline,
        value,
        interval,
        INCONCLUSIVE if why else answer,
        measured.test_set,
        why,
    )


def _doubt(
    condition: Condition, part: Measured, value: float | None, interval: Interval | None
) -> str:
    """Say why a rate cannot be decided, whatever it is; "" where it can."""
    if condition.reads.certain or value is None:
        return ""
    return part.doubt if interval else NO_INTERVAL
