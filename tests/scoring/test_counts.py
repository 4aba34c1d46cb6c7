"""Error counts are values that add up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.scoring.counts import ErrorCounts
from utils.scoring.edits import align_places


@st.composite
def error_counts(draw: st.DrawFn) -> ErrorCounts:
    tokens = draw(st.integers(0, 50))
    substitutions = draw(st.integers(0, tokens))
    deletions = draw(st.integers(0, tokens - substitutions))
    utterances = draw(st.integers(0, 9))
    failed = draw(st.integers(0, utterances))
    insertions = draw(st.integers(0, 50))
    return ErrorCounts(substitutions, deletions, insertions, tokens, utterances, failed)


@given(st.lists(error_counts()))
def test_counts_of_the_whole_are_the_sum_of_its_parts(parts: list[ErrorCounts]):
    whole = sum(parts, ErrorCounts())
    assert whole.errors == sum(part.errors for part in parts)
    assert whole.reference_tokens == sum(part.reference_tokens for part in parts)
    assert whole.failed == sum(part.failed for part in parts)


@given(error_counts(), error_counts(), error_counts())
def test_the_order_of_adding_does_not_matter(a: ErrorCounts, b: ErrorCounts, c: ErrorCounts):
    assert (a + b) + c == c + (b + a)


def test_empty_reference_has_no_rate():
    assert ErrorCounts(insertions=2, utterances=1).rate is None


def test_without_reference_tokens_what_chooses_is_the_hallucinated_tokens_an_utterance():
    assert ErrorCounts(insertions=6, utterances=3).rank == 2.0
    assert ErrorCounts(1, 0, 0, reference_tokens=4, utterances=3).rank == 0.25
    assert ErrorCounts().rank == 0.0


def test_insertions_into_an_empty_reference_count_once_added():
    silence = ErrorCounts(insertions=2, utterances=1)
    speech = ErrorCounts(reference_tokens=4, utterances=1)
    assert (silence + speech).rate == 0.5


def test_rate_may_pass_one():
    assert ErrorCounts(insertions=6, reference_tokens=3, utterances=1).rate == 2.0


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        ({"insertions": -1}, "negative counts: insertions"),
        ({"deletions": 3, "reference_tokens": 2}, "0 substitutions and 3 deletions need as many"),
        ({"failed": 2, "utterances": 1}, "2 failed and 0 missing of only 1 utterances"),
    ],
)
def test_impossible_counts_are_refused(numbers: dict[str, int], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        ErrorCounts(**numbers)


def test_counts_add_only_to_counts():
    with pytest.raises(TypeError):
        ErrorCounts() + 0.5  # type: ignore[operator]


def test_every_count_is_added():
    one = ErrorCounts(1, 2, 3, 10, 8, 4, 3)
    assert one + ErrorCounts(2, 1, 5, 20, 9, 2, 6) == ErrorCounts(3, 3, 8, 30, 17, 6, 9)


def test_places_of_equal_tokens_are_those_of_a_shortest_alignment():
    assert align_places("abd", "axbd") == [(0, 0), (1, 2), (2, 3)]
    assert align_places(["so", "it", "is"], ["it", "is", "so"]) == [(1, 0), (2, 1)]
    assert align_places("", "a") == align_places("a", "b") == []
