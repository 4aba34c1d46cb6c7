"""Corpus scores, held against jiwer."""

from __future__ import annotations

import pickle

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.scoring.counts import ErrorCounts
from utils.scoring.predictions import Prediction
from utils.scoring.score import align, count_errors, score_predictions

SENTENCES = st.lists(st.sampled_from(["a", "b", "ab", "好", "天", "é"]), max_size=8).map(" ".join)
SPOKEN = SENTENCES.filter(bool)  # jiwer refuses empty references within a corpus


def predictions(*pairs: tuple[str, str]) -> list[Prediction]:
    return [
        Prediction(str(i), reference, hypothesis) for i, (reference, hypothesis) in enumerate(pairs)
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(SPOKEN, SENTENCES), min_size=1, max_size=6))
def test_wer_is_jiwers(pairs: list[tuple[str, str]]):
    score = score_predictions(predictions(*pairs), "wer", "none")
    theirs = jiwer.process_words(
        [reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs]
    )
    assert score.counts.errors == theirs.substitutions + theirs.deletions + theirs.insertions
    assert score.rate == pytest.approx(theirs.wer)


@settings(deadline=None)
@given(st.lists(st.tuples(SPOKEN, SENTENCES), min_size=1, max_size=6))
def test_cer_is_jiwers_without_the_spaces(pairs: list[tuple[str, str]]):
    score = score_predictions(predictions(*pairs), "cer", "none")
    references = [reference.replace(" ", "") for reference, _ in pairs]
    hypotheses = [hypothesis.replace(" ", "") for _, hypothesis in pairs]
    assert score.rate == pytest.approx(jiwer.cer(references, hypotheses))


@given(SENTENCES, SENTENCES)
def test_alignment_holds_all_tokens_and_its_errors_are_those_counted(
    reference: str, hypothesis: str
):
    pairs = align(reference.split(), hypothesis.split())
    assert [token for token, _ in pairs if token] == reference.split()
    assert [token for _, token in pairs if token] == hypothesis.split()
    errors = sum(one != other for one, other in pairs)
    assert errors == count_errors(reference.split(), hypothesis.split()).errors


@given(SENTENCES, SENTENCES)
def test_insertions_minus_deletions_is_the_difference_in_length(reference: str, hypothesis: str):
    counts = count_errors(reference.split(), hypothesis.split())
    assert counts.insertions - counts.deletions == len(hypothesis.split()) - len(reference.split())


def test_each_kind_of_error_is_counted():
    assert count_errors("abc", "axc") == ErrorCounts(1, 0, 0, 3, 1)
    assert count_errors("abc", "ac") == ErrorCounts(0, 1, 0, 3, 1)
    assert count_errors("abc", "abbc") == ErrorCounts(0, 0, 1, 3, 1)


def test_the_rate_is_of_the_corpus_and_the_mean_has_its_own_name():
    score = score_predictions(predictions(("a", "b"), ("a b c", "a b c")), "wer", "none")
    assert score.rate == 0.25
    assert score.mean_utterance_rate == 0.5


def test_empty_references_count_as_insertions():
    score = score_predictions(predictions(("", "x y"), ("a b", "a b")), "wer", "none")
    assert score.rate == 1.0
    assert score.counts.utterances == 2
    assert score.no_speech == ErrorCounts(insertions=2, utterances=1)
    assert score.mean_utterance_rate == 0.0


def test_a_reference_of_punctuation_is_empty_once_normalised():
    score = score_predictions(predictions(("……", "嗯")), "cer", "chinese")
    assert score.rate is None
    assert score.no_speech.insertions == 1
    assert score.raw.reference_tokens == 2


def test_a_failed_utterance_stays_in_the_denominator_as_deletions():
    lines = [Prediction("a", "一二三", "没有", status="failed"), Prediction("b", "四", "四")]
    score = score_predictions(lines, "cer", "none")
    assert score.counts == ErrorCounts(0, 3, 0, 4, utterances=2, failed=1)
    assert score.rate == 0.75


def test_a_missing_utterance_stays_in_the_denominator_and_is_not_called_failed():
    lines = [Prediction("a", "一二三", "", status="missing"), Prediction("b", "四", "四")]
    score = score_predictions(lines, "cer", "none")
    assert score.counts == ErrorCounts(0, 3, 0, 4, utterances=2, missing=1)


def test_sentences_are_right_or_wrong():
    lines = [
        Prediction("a", "一二三", "一二四"),
        Prediction("b", "四", "四"),
        Prediction("c", "", "嗯"),
        Prediction("d", "", ""),
        Prediction("e", "", "", status="failed"),
        Prediction("f", "", "", status="missing"),
    ]
    sentences = score_predictions(lines, "cer", "none").sentences
    assert (sentences.counts.errors, sentences.counts.reference_tokens) == (4, 6)
    assert (sentences.counts.failed, sentences.counts.missing) == (1, 1)


@given(st.lists(st.tuples(SENTENCES, SENTENCES), max_size=8))
def test_a_score_is_the_sum_of_its_parts(pairs: list[tuple[str, str]]):
    score = score_predictions(predictions(*pairs), "mer", "basic")
    halves = [score.where([i % 2 == odd for i in range(len(pairs))]) for odd in (0, 1)]
    assert halves[0].counts + halves[1].counts == score.counts
    assert sum((u.counts for u in score.utterances), ErrorCounts()) == score.counts
    assert sum((u.raw for u in score.utterances), ErrorCounts()) == score.raw


def test_raw_and_normalised_text_are_both_counted():
    score = score_predictions(predictions(("天氣，好", "天气好")), "cer", "chinese")
    assert score.counts.errors == 0
    assert score.raw.errors == 2
    assert score.normalizer == "chinese@2"


def test_each_utterance_can_have_its_own_normalizer():
    lines = [Prediction("a", "天氣", "天气", "zh"), Prediction("b", "Twenty one.", "21", "en")]
    names = {"zh": "chinese@2", "en": "english@2"}
    score = score_predictions(lines, "cer", lambda prediction: names[str(prediction.language)])
    assert score.normalizer == "chinese@2+english@2"
    assert score.rate == 0.0


def test_a_hundred_thousand_different_words_are_told_apart():
    words = [f"w{i}" for i in range(100_000)]
    assert count_errors(words, words[1:]).errors == 1


def test_nothing_to_score_has_no_rate():
    score = score_predictions([], "cer", "chinese")
    assert score.rate is None
    assert score.mean_utterance_rate is None
    assert score.counts == ErrorCounts()
    assert score.normalizer == "chinese@2"


def test_each_utterance_keeps_what_it_came_with():
    given = [
        Prediction("a", "One, two", "one two", speaker="ann"),
        Prediction("b", "three", "", speaker="bob", status="failed"),
        Prediction("c", "four", "", status="missing"),
    ]
    score = score_predictions(given, "wer", "basic")
    assert [each.speaker for each in score.utterances] == ["ann", "bob", None]
    assert [each.counts.failed for each in score.utterances] == [0, 1, 0]
    assert [each.counts.missing for each in score.utterances] == [0, 0, 1]
    assert [each.hypothesis for each in score.utterances] == ["one two", "", ""]
    assert sum((each.counts for each in score.utterances), ErrorCounts()) == score.counts
    assert sum((each.raw for each in score.utterances), ErrorCounts()) == score.raw
    assert score.raw.errors == 3 and score.counts.errors == 2
    part = score.take([2, 0])
    assert part.hypotheses == ("", "one two") and part.references == ("four", "one two")
    assert [each.id for each in part.predictions] == ["c", "a"]
    again = pickle.loads(pickle.dumps(score))
    assert (again.metric, again.predictions) == ("wer", score.predictions)
    assert again.counts == score.counts and again.hypotheses == score.hypotheses
