"""The gate: three answers, in words, and mistakes that are told before the work."""

from __future__ import annotations

import pytest

from utils.cli.errors import UserError
from utils.scoring.gate import (
    Condition,
    answer_gate,
    check_gate,
    parse_gate,
)
from utils.scoring.measures import Measured
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions
from utils.scoring.statistics import Comparison

SCORE = score_predictions(
    [
        Prediction("a", "ab", "axb"),
        Prediction("b", "", "y"),
        Prediction("c", "d", "", status="failed"),
    ],
    "cer",
    "none",
)
"""3 tokens; 2 insertions, one of them in silence; 1 failed utterance: the rate is 1."""


def measured(
    interval: tuple[float, float] | None = (0.9, 1.1),
    difference: tuple[float, float] = (-0.2, -0.1),
) -> Measured:
    comparison = Comparison(sum(difference) / 2, difference, 0.01, 1, 0, 2, "utterance")
    return Measured("new", SCORE, interval, "old", comparison)


def test_conditions_are_read():
    assert parse_gate("cer<=0.05, cer.delta < -0.2% ,failed<=0") == (
        Condition("cer", "<=", 0.05),
        Condition("cer.delta", "<", -0.002),
        Condition("failed", "<=", 0.0),
    )


@pytest.mark.parametrize(
    ("text", "answer", "exit_code"),
    [
        ("cer<=1.1", "pass", 0),
        ("cer<1.1", "inconclusive", 4),
        ("cer<=1.0", "inconclusive", 4),
        ("cer<=0.9", "inconclusive", 4),
        ("cer<=0.89", "regress", 3),
        ("cer>=0.5", "pass", 0),
        ("cer.delta<=0", "pass", 0),
        ("cer.delta<=-15%", "inconclusive", 4),
        ("cer.delta<=-0.3", "regress", 3),
        ("insertions<=2", "pass", 0),
        ("insertions<=1", "regress", 3),
        ("insertions.nospeech<=1", "pass", 0),
        ("failed<=0", "regress", 3),
        ("cer<=2, cer<=1", "inconclusive", 4),
        ("cer<=1, failed<=0", "regress", 3),
    ],
)
def test_answers(text: str, answer: str, exit_code: int):
    gate = answer_gate(parse_gate(text), [measured()])
    assert (gate.answer, gate.exit_code) == (answer, exit_code)


def test_without_an_interval_the_rate_itself_decides():
    assert answer_gate(parse_gate("cer<=1"), [measured(interval=None)]).answer == "pass"


def test_a_rate_that_does_not_exist_is_inconclusive():
    silent = score_predictions([Prediction("a", "", "x")], "cer", "none")
    gate = answer_gate(parse_gate("cer<=1"), [Measured("new", silent, None)])
    assert gate.answer == "inconclusive"
    assert gate.verdicts[0].sentence == "inconclusive: cer<=1 for new: cer has no value"


def test_verdicts_are_sentences_with_numbers():
    gate = answer_gate(parse_gate("cer<=0.5, cer.delta<=0, failed<=3"), [measured()])
    assert [verdict.sentence for verdict in gate.verdicts] == [
        "regress: cer<=0.5 for new: cer is 1 (95 %: 0.9 to 1.1)",
        "pass: cer.delta<=0 for new against old: cer.delta is -0.15 (95 %: -0.2 to -0.1)",
        "pass: failed<=3 for new: failed is 1",
    ]
    assert gate.sentence == "the gate does not pass: a condition is not met"


def test_a_condition_without_baseline_is_decided_once_a_model():
    gate = answer_gate(parse_gate("failed<=3, cer.delta<=0"), [measured(), measured()])
    assert [str(verdict.condition) for verdict in gate.verdicts] == ["failed<=3", "cer.delta<=0"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("crr<=0.1", "the gate knows no 'crr'", "Did you mean cer? Known names: cer, wer,"),
        ("CER<=0.1", "the gate knows no 'CER'", "Did you mean cer?"),
        ("cer.detla<=0", "the gate knows no 'cer.detla'", "Did you mean cer.delta?"),
        ("cer", "part 'cer' is not a condition", "A condition is a name"),
        ("cer=0.1", "part 'cer=0.1' is not a condition", "<= >= < >"),
        ("cer<=a", "'a' in the gate's part 'cer<=a' is not a number", "0.05 or 5%"),
        ("cer<=nan", "'nan' in the gate's part", "0.05 or 5%"),
        (" , ", "the gate is empty", "cer<=0.05"),
    ],
)
def test_mistakes_are_told_with_the_way_out(text: str, message: str, hint: str):
    with pytest.raises(UserError) as caught:
        parse_gate(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_gate_on_the_other_metric_is_refused():
    with pytest.raises(UserError, match="asks for wer, but this run counts cer") as caught:
        check_gate(parse_gate("wer<=0.1"), "cer", has_baseline=False)
    assert "--metric=wer" in caught.value.hint


def test_a_difference_needs_a_baseline():
    with pytest.raises(UserError, match="no model to compare with"):
        check_gate(parse_gate("cer.delta<=0"), "cer", has_baseline=False)
    check_gate(parse_gate("cer.delta<=0, failed<=0"), "cer", has_baseline=True)
