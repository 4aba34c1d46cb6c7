"""The same totals as jiwer, sclite and wenet count, on cases that all of them can read.

sclite and wenet's compute-wer are not Python packages, so what they do is written down here:

- sclite (NIST SCTK) aligns words by dynamic programming with the costs 0, 4, 3, 3 for correct,
  substituted, inserted and deleted words, folds case, and counts the operations on the way.
- wenet's compute-wer.py with --char=1 upper-cases, drops punctuation, takes each letter of a
  script without case (category Lo) for a token and other characters together up to a space,
  and aligns at unit costs.

Only totals are compared: how they split into kinds depends on which of several shortest
alignments a tool takes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.scoring.edits import count_operations
from utils.scoring.metrics.mer import characters_and_words
from utils.scoring.normalizers import normalizer
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions

ENGLISH = [
    ("the cat sat on the mat", "the cat sat on the mat"),
    ("the cat sat on the mat", "the cat sit on mat"),
    ("the cat sat on the mat", "a cat sat upon the the mat"),
    ("the cat sat on the mat", ""),
    ("turn it off", "turn it of f"),
    ("one two three four", "two three four five"),
    ("a b a b a", "b a b a b"),
    ("HELLO world", "hello World"),
    ("so it is", "it is so"),
]
MIXED = [
    ("今天天气很好", "今天天汽很好"),
    ("今天天气很好", "天气好吗"),
    ("打开 apple music 吧", "打开 apple musik 吧"),
    ("打开apple music吧", "打开 app le music"),
    ("我 有 2 个 iphone", "我有 2 个 iphone"),
    ("今天,天气。很好!", "今天天气很好"),
    ("ok 好", "好 ok"),
]


def weighted_errors(
    reference: Sequence[str], hypothesis: Sequence[str], substituted: int, other: int
) -> int:
    """Errors along an alignment of least cost; among those of equal cost, the fewest."""
    row = [(place * other, place) for place in range(len(hypothesis) + 1)]
    for expected in reference:
        above, row = row, [(row[0][0] + other, row[0][1] + 1)]
        for place, found in enumerate(hypothesis, start=1):
            cost, errors = above[place - 1]
            wrong = expected != found
            row.append(
                min(
                    (cost + substituted * wrong, errors + wrong),
                    (above[place][0] + other, above[place][1] + 1),
                    (row[-1][0] + other, row[-1][1] + 1),
                )
            )
    return row[-1][1]


def sclite_errors(reference: str, hypothesis: str) -> int:
    return weighted_errors(reference.lower().split(), hypothesis.lower().split(), 4, 3)


def wenet_tokens(text: str) -> list[str]:
    tokens: list[str] = []
    inside = False
    for character in text.upper():
        category = unicodedata.category(character)
        if category[0] == "P":
            continue
        if category == "Lo":
            tokens.append(character)
            inside = False
        elif character.isspace():
            inside = False
        elif inside:
            tokens[-1] += character
        else:
            tokens.append(character)
            inside = True
    return tokens


def errors(reference: str, hypothesis: str, metric: str, normalizer_name: str) -> int:
    lines = [Prediction("a", reference, hypothesis)]
    return score_predictions(lines, metric, normalizer_name).counts.errors


@pytest.mark.parametrize(("reference", "hypothesis"), ENGLISH)
def test_wer_has_jiwers_total(reference: str, hypothesis: str):
    theirs = jiwer.process_words(reference, hypothesis)
    total = theirs.substitutions + theirs.deletions + theirs.insertions
    assert errors(reference, hypothesis, "wer", "none") == total


@pytest.mark.parametrize(("reference", "hypothesis"), ENGLISH)
def test_wer_has_sclites_total(reference: str, hypothesis: str):
    assert errors(reference, hypothesis, "wer", "basic") == sclite_errors(reference, hypothesis)


@pytest.mark.parametrize(("reference", "hypothesis"), [*MIXED, *ENGLISH])
def test_mer_has_wenets_total(reference: str, hypothesis: str):
    total = weighted_errors(wenet_tokens(reference), wenet_tokens(hypothesis), 1, 1)
    assert errors(reference, hypothesis, "mer", "chinese") == total


@given(st.text("今天好ab 2。,", max_size=20))
def test_mer_has_wenets_tokens(text: str):
    ours = characters_and_words(normalizer("chinese-as-written")(text))
    # In mixed text wenet glues what a punctuation mark parts; ours parts it.
    if not any(mark in text for mark in "。,"):
        assert [token.upper() for token in ours] == wenet_tokens(text)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_sclite_never_counts_fewer_errors(reference: list[str], hypothesis: list[str]):
    ours = sum(count_operations(reference, hypothesis))
    assert ours == weighted_errors(reference, hypothesis, 1, 1)
    assert ours <= weighted_errors(reference, hypothesis, 4, 3)


def test_sclites_costs_can_find_more_errors_than_there_need_be():
    """Six words dropped and added cost 18, five substituted ones 20: sclite says 6, we say 5."""
    reference, hypothesis = ["a", "b", "c", "d", "e"], ["d", "e", "f", "g", "h"]
    assert weighted_errors(reference, hypothesis, 4, 3) == 6
    assert sum(count_operations(reference, hypothesis)) == 5


def test_jiwer_counts_spaces_as_characters_and_we_do_not():
    assert jiwer.cer("打开 灯", "打开灯") == 0.25
    assert errors("打开 灯", "打开灯", "cer", "none") == 0


def test_an_empty_reference_is_insertions_as_in_jiwer():
    theirs = jiwer.process_words("", "a b")
    assert errors("", "a b", "wer", "none") == theirs.insertions == 2
