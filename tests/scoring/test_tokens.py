"""What CER and WER count."""

from __future__ import annotations

import pytest

from utils.cli.errors import UserError
from utils.scoring.metrics.cer import characters
from utils.scoring.metrics.wer import words
from utils.scoring.tokens import default_metric, tokenizer_of


def test_whitespace_is_no_character():
    assert characters(" 打开\u3000wifi \n") == "打开wifi"


def test_a_mark_without_composed_form_is_a_character_of_its_own():
    assert list(characters("हि")) == ["ह", "ि"]


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
    assert caught.value.hint == "Known metrics: cer, wer, mer."
