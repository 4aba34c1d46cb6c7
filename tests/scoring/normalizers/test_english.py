"""English text in the form of OpenAI's normalizer, word for word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from utils.scoring.normalizers import english, english_numbers
from utils.scoring.normalizers.english import normalize_english

# The cases of OpenAI's own tests, and our own for each rule.
GOLDEN = [
    ("Let's", "let us"),
    ("he's like", "he is like"),
    ("she's been like", "she has been like"),
    ("10km", "10 km"),
    ("10mm", "10 mm"),
    ("RC232", "rc 232"),
    ("Mr. Park visited Assoc. Prof. Kim Jr.", "mister park visited associate professor kim junior"),
    ("two", "2"),
    ("thirty one", "31"),
    ("five twenty four", "524"),
    ("nineteen ninety nine", "1999"),
    ("twenty nineteen", "2019"),
    ("two point five million", "2500000"),
    ("four point two billions", "4200000000s"),
    ("200 thousand", "200000"),
    ("200 thousand dollars", "$200000"),
    ("$20 million", "$20000000"),
    ("€52.4 million", "€52400000"),
    ("£77 thousands", "£77000s"),
    ("two double o eight", "2008"),
    ("three thousand twenty nine", "3029"),
    ("forty three thousand two hundred sixty", "43260"),
    ("forty three thousand two hundred and sixty", "43260"),
    ("nineteen fifties", "1950s"),
    ("thirty first", "31st"),
    ("thirty three thousand and three hundred and thirty third", "33333rd"),
    ("three billion", "3000000000"),
    ("millions", "1000000s"),
    ("july third twenty twenty", "july 3rd 2020"),
    ("august twenty sixth twenty twenty one", "august 26th 2021"),
    ("3 14", "3 14"),
    ("3.14", "3.14"),
    ("3 point 2", "3.2"),
    ("3 point 14", "3.14"),
    ("fourteen point 4", "14.4"),
    ("two point two five dollars", "$2.25"),
    ("two hundred million dollars", "$200000000"),
    ("$20.1 million", "$20100000"),
    ("ninety percent", "90%"),
    ("seventy six per cent", "76%"),
    ("double oh seven", "007"),
    ("double zero seven", "007"),
    ("nine one one", "911"),
    ("nine double one", "911"),
    ("one triple oh one", "10001"),
    ("two thousandth", "2000th"),
    ("thirty two thousandth", "32000th"),
    ("minus 500", "-500"),
    ("positive twenty thousand", "+20000"),
    ("two dollars and seventy cents", "$2.70"),
    ("3 cents", "¢3"),
    ("$0.36", "¢36"),
    ("three euros and sixty five cents", "€3.65"),
    ("three and a half million", "3500000"),
    ("forty eight and a half dollars", "$48.5"),
    ("b747", "b 747"),
    ("10 th", "10th"),
    ("10th", "10th"),
    ("mobilisation", "mobilization"),
    ("cancelation", "cancellation"),
    ("the naïve café", "the naive cafe"),
    ("um, [noise] yeah (laughs)", "yeah"),
    ("", ""),
]
NUMBER_WORDS = sorted(english_numbers._NUMBER_WORDS)
OTHER_WORDS = "1 20 1.5 $3 ¢7 $0.05 and-a-half -5 2nd 90s 1,000 50% % . uh (x) don't mr. colour a1"


@pytest.mark.parametrize(("text", "normal"), GOLDEN)
def test_golden(text: str, normal: str):
    assert normalize_english(text) == normal


def openai_form(text: str) -> str:
    """The same through the original, kept in transformers."""
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    table = Path(english.__file__).with_name("british_to_american.json")
    original = EnglishTextNormalizer(json.loads(table.read_text(encoding="utf-8")))
    return " ".join(original(text).split())


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from([*NUMBER_WORDS, *OTHER_WORDS.split()]), max_size=9))
def test_numbers_are_read_as_by_the_original(words: list[str]):
    text = " ".join(words).replace("and-a-half", "and a half")
    assert normalize_english(text) == openai_form(text)


@settings(deadline=None, max_examples=150)
@given(st.text())
@example("İ ½ ² ﬁ ß \u0301")
def test_any_text_is_read_as_by_the_original(text: str):
    assert normalize_english(text) == openai_form(text)


def test_like_the_original_it_is_not_idempotent_everywhere():
    assert normalize_english("20 1") == "20 one"
    assert normalize_english("20 one") == "21"


@given(st.lists(st.sampled_from(["colour", "mister", "is", "not", "naïve"])))
def test_plain_words_stay_once_normalised(words: list[str]):
    once = normalize_english(" ".join(words))
    assert normalize_english(once) == once
