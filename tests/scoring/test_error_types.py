"""Types of errors: every error has one, and pairs that a reader would call so are called so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.scoring import error_types
from utils.scoring.error_types import capitalised_words, count_error_types, regions_of, type_of
from utils.scoring.hallucinations import find_loops
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score, score_predictions


def scored(metric: str, *pairs: tuple[str, str], normalizer: str = "none") -> Score:
    predictions = [
        Prediction(f"u{number}", reference, hypothesis)
        for number, (reference, hypothesis) in enumerate(pairs)
    ]
    return score_predictions(predictions, metric, normalizer)


def types(metric: str, reference: str, hypothesis: str) -> dict[str, int]:
    score = scored(metric, (reference, hypothesis))
    return {name: kind.errors for name, kind in count_error_types(score, find_loops(score)).items()}


@pytest.mark.parametrize(
    ("metric", "reference", "hypothesis", "expected"),
    [
        ("cer", "我有二十块", "我有20块", {error_types.NUMBERS: 2}),
        ("cer", "一百万人", "100万人", {error_types.NUMBERS: 3}),
        ("cer", "头发", "頭髮", {error_types.SCRIPT: 2}),
        ("cer", "我在家", "我再家", {error_types.HOMOPHONES: 1}),
        ("cer", "我在家", "我花家", {error_types.WORDS: 1}),
        ("wer", "twenty one cars", "21 cars", {error_types.NUMBERS: 2}),
        ("wer", "an ice cream", "an icecream", {error_types.SPACES: 2}),
        ("wer", "Well, yes", "well yes", {error_types.CASE: 1}),
        ("wer", "he walked home", "he walks home", {error_types.SPELLING: 1}),
        ("wer", "he walked home", "he flew home", {error_types.WORDS: 1}),
        ("wer", "in Berlin today", "in burning today", {error_types.NAMES: 1}),
        ("wer", "go home now", "go now", {error_types.MISSED: 1}),
        ("wer", "go now", "go home now", {error_types.ADDED: 1}),
        ("wer", "", "thanks for watching", {error_types.SILENCE: 3}),
        ("wer", "good morning", "good " * 9 + "morning", {error_types.LOOP: 8}),
        ("cer", "今天天气很好", "the weather is nice", {error_types.LANGUAGE: 16}),
    ],
)
def test_an_error_is_of_the_type_that_a_reader_calls_it(metric, reference, hypothesis, expected):
    assert types(metric, reference, hypothesis) == expected


@given(
    st.lists(st.tuples(st.text("ab 二十20在再Bx,"), st.text("ab 二十20在再Bx,")), max_size=4),
    st.sampled_from(["cer", "wer", "mer"]),
)
def test_the_types_add_up_to_the_errors_of_the_score(pairs, metric):
    score = scored(metric, *pairs)
    counted = count_error_types(score, find_loops(score))
    assert sum(kind.errors for kind in counted.values()) == score.counts.errors
    assert {place for kind in counted.values() for place in kind.places} == {
        place for place, errors in enumerate(score.errors) if errors
    }


@given(st.text("abc", max_size=12), st.text("abcd", max_size=12))
def test_regions_hold_every_error_once(reference, hypothesis):
    regions = list(regions_of(reference, hypothesis))
    errors = scored("cer", (reference, hypothesis)).counts.errors
    assert sum(max(len(ours), len(theirs)) for ours, theirs in regions) == errors


def test_what_could_not_be_transcribed_is_no_error_of_hearing():
    line = Prediction("u", "good morning", "", status="failed")
    score = score_predictions([line], "wer", "none")
    assert list(count_error_types(score, [])) == [error_types.FAILED]


def test_only_so_many_utterances_are_looked_at():
    score = scored("wer", *[("a b", "a c")] * 50)
    assert count_error_types(score, [], most=10)[error_types.WORDS].errors == 10


def test_capitals_at_the_beginning_of_a_sentence_are_no_names():
    assert capitalised_words("Hello there. This is Anna, and I know Bob.") == {"anna", "bob"}
    assert capitalised_words("ALL OF THIS IS IN CAPITALS") == set()
    assert type_of((("anna",), ()), "wer", {"anna"}) == error_types.NAMES
