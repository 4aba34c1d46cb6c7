"""Named, versioned ways to write a transcript before its errors are counted.

A normalizer is a chain of steps, each from text to text, under a name such as `chinese@1` that goes
into every result. A chain never changes once scores were published with it: a better one is a new
row, `chinese@2`. To add one, write its steps in a file beside this one and give it a row in
`NORMALIZERS`; give it to a language in `LANGUAGE_DEFAULTS` if it shall be chosen by itself.
"""

from __future__ import annotations

from functools import cache

from utils.cli.console import warn
from utils.cli.errors import UserError
from utils.scoring.normalizers.arabic import plain_letters
from utils.scoring.normalizers.chinese import digits_for_numerals, to_simplified
from utils.scoring.normalizers.english import normalize_english
from utils.scoring.normalizers.extras import EXTRAS, is_installed, load_extra
from utils.scoring.normalizers.indic import settle_spelling
from utils.scoring.normalizers.japanese import settle_kana
from utils.scoring.normalizers.korean import unify_hangul
from utils.scoring.normalizers.steps import (
    WORDS_ONLY,
    Step,
    collapse_spaces,
    join_han,
    unify_forms,
    western_digits,
)
from utils.scoring.normalizers.thai import order_marks

# Phrases are looked up with the punctuation still between sentences, and without the spaces that
# some corpora put between characters.
_SIMPLIFY = (join_han, to_simplified)

NORMALIZERS: dict[str, tuple[Step, ...]] = {
    "none@1": (),
    "basic@1": (unify_forms, *WORDS_ONLY),
    "english@1": (normalize_english,),
    "chinese@1": (unify_forms, *_SIMPLIFY, *WORDS_ONLY, join_han),
    # Its own name, not an option of chinese@1: a name says what was applied, wherever it ran.
    "chinese-itn@1": (unify_forms, *_SIMPLIFY, digits_for_numerals, *WORDS_ONLY, join_han),
    # chinese@1 without one of its two halves, for remove_pun=False and to_simple=False.
    "chinese-with-punctuation@1": (unify_forms, collapse_spaces, *_SIMPLIFY),
    "chinese-as-written@1": (unify_forms, *WORDS_ONLY, join_han),
    "japanese@1": (unify_forms, *WORDS_ONLY, join_han, settle_kana, join_han),
    "korean@1": (unify_hangul, *WORDS_ONLY),
    "thai@1": (unify_forms, western_digits, *WORDS_ONLY, order_marks, collapse_spaces),
    "arabic@1": (unify_forms, western_digits, plain_letters, *WORDS_ONLY),
    "indic@1": (settle_spelling, unify_forms, western_digits, *WORDS_ONLY),
}
"""name@version -> steps, applied in this order."""

_INDIC_LANGUAGES = ("hi", "mr", "ne", "sa", "bn", "as", "pa", "gu", "ta", "te", "kn", "ml", "si")

LANGUAGE_DEFAULTS = {
    "en": "english@1",
    "zh": "chinese@1",
    "yue": "chinese@1",
    "ja": "japanese@1",
    "ko": "korean@1",
    "th": "thai@1",
    "ar": "arabic@1",
    **dict.fromkeys(
        ["hi", "mr", "ne", "sa", "bn", "as", "pa", "gu", "ta", "te", "kn", "ml", "si"], "indic@1"
    ),
}
"""Whisper language code -> normalizer; any other language takes `basic@1`."""


def normalizer(name: str) -> Step:
    """Return the chain of that name as one function.

    Args:
        name: A key of `NORMALIZERS`; without a version the newest is meant.

    Raises:
        UserError: There is no such normalizer, or a library that it needs is not installed.
    """
    full_name = resolve_name(name)
    steps = NORMALIZERS[full_name]
    plain_name = full_name.split("@")[0]
    if plain_name in EXTRAS:
        load_extra(EXTRAS[plain_name], plain_name)

    def apply(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return apply


def resolve_name(name: str) -> str:
    """Return `name@version` for a name with or without a version.

    Raises:
        UserError: There is no such normalizer.
    """
    if name in NORMALIZERS:
        return name
    versions = [known for known in NORMALIZERS if known.split("@")[0] == name]
    if not versions:
        known = ", ".join(NORMALIZERS)
        raise UserError(f"unknown normalizer {name!r}", f"Known normalizers: {known}.")
    return max(versions, key=lambda known: int(known.split("@")[1]))


def choose_normalizer(language: str | None, *, remove_pun: bool, to_simple: bool) -> str:
    """Return the name of the normalizer for a language.

    A language whose library is not installed takes `basic@1`, with a warning: the name in the
    results says which it was.

    Args:
        language: A Whisper language code; None where it is not known.
        remove_pun: Whether punctuation is left out of the score.
        to_simple: Whether Chinese is converted to simplified characters; other languages have
            no use for it.

    Returns:
        A key of `NORMALIZERS`, which says what is applied.
    """
    by_default = LANGUAGE_DEFAULTS.get(language or "", "basic@1")
    if by_default != "chinese@1":
        return _usable(by_default) if remove_pun else "none@1"
    if remove_pun:
        return "chinese@1" if to_simple else "chinese-as-written@1"
    return "chinese-with-punctuation@1" if to_simple else "none@1"


@cache
def _usable(name: str) -> str:
    """Return the name, or `basic@1` where its library is missing; say so once."""
    if is_installed(name):
        return name
    plain_name = name.split("@")[0]
    warn(
        f"{EXTRAS[plain_name]} is not installed: scored with basic@1 instead of {name}. "
        "`pip install -r requirements/languages.txt -c constraints.txt` brings it.",
        changes_result=True,
    )
    return "basic@1"
