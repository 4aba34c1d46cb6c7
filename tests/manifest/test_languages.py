"""Languages are those of Whisper, in any usual spelling."""

from __future__ import annotations

import pytest

from utils.cli.errors import UserError
from utils.manifest.languages import LANGUAGES, language_code


def test_the_table_is_that_of_transformers() -> None:
    from transformers.models.whisper import tokenization_whisper

    assert list(tokenization_whisper.LANGUAGES.items()) == list(LANGUAGES.items())


def test_every_name_of_transformers_has_its_code() -> None:
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    assert {name: language_code(name) for name in TO_LANGUAGE_CODE} == TO_LANGUAGE_CODE


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("zh", "zh"),
        ("ZH", "zh"),
        ("Chinese", "zh"),
        (" chinese ", "zh"),
        ("Mandarin", "zh"),
        ("cmn", "zh"),
        ("zh-CN", "zh"),
        ("cmn-Hans-CN", "zh"),
        ("zh-yue", "yue"),
        ("Cantonese", "yue"),
        ("yue", "yue"),
        ("en_US", "en"),
        ("pt-BR", "pt"),
        ("Castilian", "es"),
        ("Haitian Creole", "ht"),
        ("haw", "haw"),
        ("jv", "jw"),
        ("Bokmål", "no"),
    ],
)
def test_usual_spellings_have_a_code(spelling: str, code: str) -> None:
    assert language_code(spelling) == code


@pytest.mark.parametrize(
    ("spelling", "hint"),
    [("Chinees", "Chinese (zh)"), ("germna", "German (de)"), ("cantonees", "Cantonese (yue)")],
)
def test_a_misspelt_language_is_answered_with_the_nearest(spelling: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        language_code(spelling)
    assert error.value.message == f"{spelling!r} is no language that Whisper knows"
    assert hint in error.value.hint


@pytest.mark.parametrize("spelling", ["", "  ", "xx", "klingon", "english-us", "-", "zh,en"])
def test_what_is_no_language_is_refused(spelling: str) -> None:
    with pytest.raises(UserError, match="no language that Whisper knows"):
        language_code(spelling)
