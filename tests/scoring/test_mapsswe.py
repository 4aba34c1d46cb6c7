"""The matched pairs test: segments as NIST cuts them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.scoring.edits import count_operations, operation_places
from utils.scoring.mapsswe import mapsswe, segment_differences
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score, score_predictions

TOKENS = st.text("abc", max_size=8)


def differences(reference: str, model: str, baseline: str) -> list[int]:
    places = (
        operation_places(reference.split(), hypothesis.split()) for hypothesis in (model, baseline)
    )
    return list(segment_differences(*places))


@pytest.mark.parametrize(
    ("model", "baseline", "expected"),
    [
        ("a b c d e f", "a b c d e f", []),
        ("x b c d e f", "a b c d e f", [1]),
        ("a b c d e f", "x b c d e f", [-1]),
        ("x b c d e f", "x b c d e f", [0]),
        ("x b x d e f", "a b c d e f", [2]),  # one right word does not part them
        ("x b c x e f", "a b c d e f", [1, 1]),  # two do
        ("x b c d e f", "a b c x e f", [1, -1]),
        ("a b c x d e f", "a b c d e f", [1]),  # an insertion
        ("x b c x d e f", "a b c d e f", [1, 1]),
        ("x b x c d e f", "a b c d e f", [2]),
        ("", "a b c d e f", [6]),
    ],
)
def test_segments_are_parted_by_two_words_that_both_have_right(
    model: str, baseline: str, expected: list[int]
):
    assert differences("a b c d e f", model, baseline) == expected


@given(TOKENS, TOKENS, TOKENS)
def test_segments_hold_every_error_once(reference: str, model: str, baseline: str):
    places = [operation_places(reference, hypothesis) for hypothesis in (model, baseline)]
    errors = [sum(count_operations(reference, hypothesis)) for hypothesis in (model, baseline)]
    assert sum(segment_differences(*places)) == errors[0] - errors[1]


def corpus(error_rate: float, seed: int, utterances: int = 150) -> Score:
    chance = random.Random(seed)
    words = ["a", "b", "c", "d", "e", "f", "g", "h"]
    lines = [
        Prediction(
            str(number),
            " ".join(words),
            " ".join("x" if chance.random() < error_rate else word for word in words),
        )
        for number in range(utterances)
    ]
    return score_predictions(lines, "wer", "none")


def test_a_clear_difference_is_sure():
    found = mapsswe(corpus(0.05, 1), corpus(0.2, 2))
    assert found.segments > 100
    assert found.p_value is not None and found.p_value < 1e-6


def test_equal_systems_are_seldom_different():
    p_values = [mapsswe(corpus(0.1, s), corpus(0.1, s + 500)).p_value or 0.0 for s in range(100)]
    assert sum(p < 0.05 for p in p_values) <= 12
    assert sum(p < 0.5 for p in p_values) == pytest.approx(50, abs=16)


def test_few_segments_have_no_p_value():
    found = mapsswe(corpus(0.05, 1, utterances=5), corpus(0.2, 2, utterances=5))
    assert 0 < found.segments < 30
    assert found.p_value is None


def test_a_system_is_no_different_from_itself():
    score = corpus(0.2, 1)
    assert mapsswe(score, score).p_value == 1.0
