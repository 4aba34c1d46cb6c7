"""What CER and WER count."""

from __future__ import annotations

import pytest

from utils.cli.errors import UserError
from utils.scoring.metrics import METRICS
from utils.scoring.metrics.cer import characters
from utils.scoring.metrics.mer import characters_and_words
from utils.scoring.metrics.wer import words
from utils.scoring.tokens import default_metric, tokenizer_of


def test_whitespace_is_no_character():
    assert characters(" 打开\u3000wifi \n") == "打开wifi"


def test_a_mark_without_composed_form_is_a_character_of_its_own():
    assert list(characters("हि")) == ["ह", "ि"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("打开 Apple Music吧", ["打", "开", "Apple", "Music", "吧"]),
        ("wi-fi密码2024年", ["wi-fi", "密", "码", "2024", "年"]),
        ("カタカナ and 漢字", ["カ", "タ", "カ", "ナ", "and", "漢", "字"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        (" ", []),
    ],
)
def test_mixed_text_is_han_characters_and_words(text: str, tokens: list[str]):
    assert characters_and_words(text) == tokens


def test_every_metric_says_what_it_counts():
    assert {name: metric.unit for name, metric in METRICS.items()} == {
        "cer": "characters",
        "wer": "words",
        "mer": "characters and words",
        "cer@2": "grapheme clusters",
    }


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("हिन्दी में", ["हि", "न्दी", "में"]),
        ("น้ำ ดี", ["น้ำ", "ดี"]),
        ("مُحَمَّد", ["مُ", "حَ", "مَّ", "د"]),
        ("が\u304b\u3099", ["が", "\u304b\u3099"]),
        ("ok 打开", ["o", "k", "打", "开"]),
        (" ", []),
    ],
)
def test_what_a_reader_calls_one_character_is_one_token(text: str, clusters: list[str]):
    assert tokenizer_of("cer@2")(text) == clusters


def test_words_stand_between_whitespace():
    assert words(" don't  stop ") == ["don't", "stop"]


@pytest.mark.parametrize(
    ("languages", "metric"),
    [
        (["zh"], "cer"),
        (["yue", "ja", "th"], "cer"),
        (["en"], "wer"),
        (["hi", "ar", "ko"], "wer"),
        ([None], "wer"),
        (["zh", "zh", "en"], "cer"),
        (["zh", "en"], "cer"),
        (["zh"] + 9 * ["en"], "cer"),
        (["zh"] + 10 * ["en"], "wer"),
        ([], "wer"),
    ],
)
def test_the_languages_without_spaces_choose_cer(languages: list[str | None], metric: str):
    assert default_metric(languages) == metric


def test_an_unknown_metric_is_told_with_the_known_ones():
    with pytest.raises(UserError, match="unknown metric 'per'") as caught:
        tokenizer_of("per")
    assert caught.value.hint == "Known metrics: cer, wer, mer, cer@2."
