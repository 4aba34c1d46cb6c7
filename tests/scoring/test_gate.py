"""The gate: three answers, in words, and mistakes that are told before the work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from utils.cli.errors import UserError
from utils.scoring.buckets import BUCKETS, Bucket, duration_class
from utils.scoring.gate import (
    Condition,
    answer_gate,
    check_gate,
    parse_gate,
    read_gate,
)
from utils.scoring.measures import MEASURES, Measured
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions
from utils.scoring.statistics import Comparison, compare, rate_interval

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


@pytest.mark.parametrize("gate", ["cer<=1", "cer<=0.01", "ser<=1"])
def test_without_an_interval_a_rate_is_inconclusive(gate: str):
    one = score_predictions([Prediction("a", "ab", "ab")], "cer", "none")
    (verdict,) = answer_gate(parse_gate(gate), [Measured("new", one, None)]).verdicts
    assert verdict.answer == "inconclusive"
    assert "no interval: it takes two utterances with words" in verdict.sentence


@pytest.mark.parametrize(("count", "answer"), [(3, "inconclusive"), (500, "pass")])
def test_a_set_without_errors_passes_once_it_is_large_enough(count: int, answer: str):
    found = answer_gate(parse_gate("cer<=0.01"), [scored("test", count=count)])
    assert found.answer == answer


def test_a_handful_of_speakers_decides_no_rate():
    lines = [Prediction(str(n), "ab", "ab", speaker=f"s{n % 2}") for n in range(500)]
    score = score_predictions(lines, "cer", "none")
    everyone = Measured("new", score, rate_interval(score))
    (verdict,) = answer_gate(parse_gate("cer<=0.05"), [everyone]).verdicts
    assert verdict.answer == "inconclusive"
    assert "2 speakers do not represent others; --interval_over=utterance" in verdict.sentence
    alone = replace(score, blocks="utterance")
    these = Measured("new", alone, rate_interval(alone))
    assert answer_gate(parse_gate("cer<=0.05, failed<=0"), [these]).answer == "pass"


def test_a_rate_that_does_not_exist_is_inconclusive():
    silent = score_predictions([Prediction("a", "", "x")], "cer", "none")
    gate = answer_gate(parse_gate("cer<=1"), [Measured("new", silent, None)])
    assert gate.answer == "inconclusive"
    assert gate.verdicts[0].sentence == "inconclusive: cer<=1 for new: CER has no value"


def test_verdicts_are_sentences_with_numbers():
    gate = answer_gate(parse_gate("cer<=0.5, cer.delta<=0, failed<=3"), [measured()])
    assert [verdict.sentence for verdict in gate.verdicts] == [
        "regress: cer<=0.5 for new: CER is 100.00 % (95 %: 90.00 to 110.00 %)",
        "pass: cer.delta<=0 for new against old: CER change is -15.00 points "
        "(95 %: -20.00 to -10.00 points)",
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
        ("cer<=inf", "'inf' in the gate's part", "Write a rate as 0.05 or 5%, a count as 3."),
        (" , ", "the gate is empty", 'It looks like --gate="cer<=0.05, failed<=0".'),
    ],
)
def test_mistakes_are_told_with_the_way_out(text: str, message: str, hint: str):
    with pytest.raises(UserError) as caught:
        parse_gate(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_name_like_no_other_is_not_guessed():
    with pytest.raises(UserError) as caught:
        parse_gate("zzz<=1")
    assert caught.value.hint == f"Known names: {', '.join(MEASURES)}."


def test_a_gate_on_the_other_metric_is_refused():
    with pytest.raises(UserError, match="asks for wer, but this run counts cer") as caught:
        check_gate(parse_gate("wer<=0.1"), "cer", has_baseline=False)
    assert caught.value.hint == "Add --metric=wer, or ask for cer."
    with pytest.raises(UserError, match=r"asks for mer, but this run counts cer and wer$"):
        check_gate(parse_gate("mer<=0.1"), {"b": "wer", "a": "cer"}, has_baseline=False)


def test_a_difference_needs_a_baseline():
    with pytest.raises(UserError, match="no model to compare with") as caught:
        check_gate(parse_gate("cer.delta<=0"), "cer", has_baseline=False)
    assert caught.value.hint == "Add --baseline=<model>."
    check_gate(parse_gate("cer.delta<=0, failed<=0"), "cer", has_baseline=True)


def scored(test_set: str, metric: str = "cer", wrong: int = 0, count: int = 40) -> Measured:
    """Utterances of 10 tokens, some of them all wrong, against a baseline that is always right."""
    token = {"cer": "天", "wer": "a "}[metric]
    new, old = (
        score_predictions(
            [
                Prediction(
                    str(n), token * 10, "" if n < bad else token * 10, "zh" if n % 2 else "en"
                )
                for n in range(count)
            ],
            metric,
            "none",
        )
        for bad in (wrong, 0)
    )
    return Measured(
        "new", new, rate_interval(new), "old", compare(new, old), old, test_set=test_set
    )


def gate_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "gates.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_of_gates_has_conditions_for_each_set_and_part(tmp_path: Path):
    conditions = read_gate(
        gate_file(
            tmp_path,
            "all: failed<=0, missing<=0\n"
            "aishell: [cer<=5%, cer.delta<=0.2%]\n"
            "aishell[language=zh]: ser<=0.5\n",
        )
    )
    assert list(map(str, conditions)) == [
        "failed<=0",
        "missing<=0",
        "cer<=0.05 on aishell",
        "cer.delta<=0.002 on aishell",
        "ser<=0.5 on aishell[language=zh]",
    ]


@pytest.mark.parametrize(
    ("gate", "answer", "exit_code"),
    [
        ("zh: cer<=0.01\nen: wer<=0.01\n", "regress", 3),
        ("zh: cer<=0.1\n", "pass", 0),
        ("zh: cer<=0.01\n", "inconclusive", 4),  # 40 utterances without an error
        ("all: cer<=0.1\n", "pass", 0),
        ("en: wer<=0.6\n", "inconclusive", 4),
        ("en: ser<=0.6\n", "inconclusive", 4),
        ("en: ser<=0.9\n", "pass", 0),
        ("en: ser.delta<=0.1\n", "regress", 3),
        ("en: wer.delta<=0.9\n", "pass", 0),
        ("en[language=zh]: wer<=0.05\n", "regress", 3),
        ("en[language=zh]: deletions<=100\n", "pass", 0),
        ("en[language=zh]: deletions<=99\n", "regress", 3),
        ("en[speech=yes]: [insertions<=0, substitutions<=0]\n", "pass", 0),
        ("en[speech=no]: failed<=0\n", "inconclusive", 4),  # there is no such utterance
    ],
)
def test_answers_for_sets_and_their_parts(tmp_path: Path, gate: str, answer: str, exit_code: int):
    conditions = read_gate(gate_file(tmp_path, gate))
    check_gate(conditions, {"zh": "cer", "en": "wer"}, has_baseline=True)
    found = answer_gate(conditions, [scored("zh"), scored("en", "wer", wrong=20)])
    assert (found.answer, found.exit_code) == (answer, exit_code)
    assert all(verdict.sentence.startswith(verdict.answer) for verdict in found.verdicts)


def test_a_verdict_names_its_test_set():
    found = answer_gate(parse_gate("failed<=0"), [scored("zh"), scored("en", "wer")])
    assert [verdict.sentence for verdict in found.verdicts] == [
        "pass: failed<=0 for new on zh: failed is 0",
        "pass: failed<=0 for new on en: failed is 0",
    ]


def test_missing_predictions_can_be_gated():
    score = score_predictions([Prediction("a", "b", "", status="missing")], "cer", "none")
    found = answer_gate(parse_gate("missing<=0, failed<=0"), [Measured("new", score, None)])
    assert [verdict.answer for verdict in found.verdicts] == ["regress", "pass"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "expected test sets with conditions, got None", "all: failed<=0"),
        ("- a\n", "expected test sets with conditions, got a list", "all: failed<=0"),
        ("[a]: cer<=1\n", "gates.yaml, line 1: expected the name of a test set", "all: failed<=0"),
        ("a: cer<=1\n\na: []\n", "gates.yaml, line 3: a stands there twice", "into one list."),
        ("test: {a: 1}\n", "test: expected conditions such as cer<=5%, got a mapping", "as text."),
        ("a: [", "not valid YAML", "all: failed<=0"),
        ("test: 5\n", "test: expected conditions such as cer<=5%, got 5", "as text"),
        ("test: crr<=5%\n", "gates.yaml: the gate knows no 'crr'", "Did you mean cer?"),
        ("test[langage=zh]: cer<=1\n", "knows no bucket 'langage'", "Did you mean language?"),
        ("test[zh]: cer<=1\n", "'zh' is not a bucket such as language=zh", "duration"),
        ("test[: cer<=1\n", "'test[' is no test set", "test[language=zh]"),
    ],
)
def test_mistakes_in_a_file_of_gates_are_told(tmp_path: Path, text: str, message: str, hint: str):
    with pytest.raises(UserError) as caught:
        read_gate(gate_file(tmp_path, text))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_file_of_gates_that_is_not_there_is_told():
    with pytest.raises(UserError, match=r"^nowhere.yaml: no such file of gates$") as caught:
        read_gate("nowhere.yaml")
    assert caught.value.hint == "Check --gate."


def test_a_misspelt_test_set_is_answered_with_the_nearest(tmp_path: Path):
    conditions = read_gate(gate_file(tmp_path, "aishel: failed<=0\n"))
    with pytest.raises(UserError, match="a test set that is not scored") as caught:
        check_gate(conditions, {"aishell": "cer", "libri": "wer"}, has_baseline=False)
    known = "Test sets: aishell, libri; all stands for each of them."
    assert caught.value.hint == f"Did you mean aishell? {known}"
    with pytest.raises(UserError) as caught:
        check_gate(
            read_gate(gate_file(tmp_path, "zz: failed<=0\n")),
            {"aishell": "cer", "libri": "wer"},
            has_baseline=False,
        )
    assert caught.value.hint == known
    with pytest.raises(UserError, match="applies to nothing that was scored") as caught:
        answer_gate(conditions, [scored("libri"), scored("aishell")])
    assert caught.value.hint == "Scored: aishell, libri."


def test_a_set_that_is_counted_otherwise_is_refused(tmp_path: Path):
    conditions = read_gate(gate_file(tmp_path, "zh: wer<=1\n"))
    with pytest.raises(UserError, match="asks for wer<=1 on zh, but this run counts cer"):
        check_gate(conditions, {"zh": "cer", "en": "wer"}, has_baseline=False)


def test_every_measure_reads_a_value():
    for name, measure in MEASURES.items():
        metric = measure.metric if measure.metric in ("cer", "wer") else "cer"
        value, _ = measure.read(scored("x", metric, wrong=2))
        assert value is not None, name


@pytest.mark.parametrize(
    ("seconds", "label"),
    [(0, "0-2"), (1.99, "0-2"), (2, "2-5"), (29.9, "20-30"), (30, "30-"), (999, "30-")],
)
def test_durations_have_classes(seconds: float, label: str):
    assert duration_class(seconds) == label


def test_every_bucket_has_a_label_for_every_prediction():
    bare = Prediction("a", "", "x")
    full = Prediction("b", "y", "x", "zh", audio_seconds=3, speaker="s", source="corpus")
    labels = [(label_of(bare), label_of(full)) for label_of in BUCKETS.values()]
    named = [("", "zh"), ("", "s"), ("", "corpus")]
    assert labels == [*named, ("0-2", "2-5"), ("", "0-2/s"), ("no", "yes")]
    assert Bucket("source", "corpus").holds([bare, full]) == [False, True]
