"""Named, versioned ways to write a transcript before its errors are counted.

A normalizer is a chain of steps, each from text to text, under a name such as `chinese@1` that goes
into every result. A chain never changes once scores were published with it: a better one is a new
row, `chinese@2`. To add one, write its steps in a file beside this one and give it a row in
`NORMALIZERS`; give it to a language in `LANGUAGE_DEFAULTS` if it shall be chosen by itself.
"""

from __future__ import annotations

from utils.cli.errors import UserError
from utils.scoring.normalizers.arabic import plain_letters, written_letters
from utils.scoring.normalizers.chinese import digits_for_numerals, to_simplified
from utils.scoring.normalizers.chinese_numerals import numerals_to_digits
from utils.scoring.normalizers.english import normalize_english
from utils.scoring.normalizers.extras import EXTRAS, load_extra
from utils.scoring.normalizers.indic import joined_letters, settle_nasals, settle_spelling
from utils.scoring.normalizers.japanese import settle_kana, shorten_vowels
from utils.scoring.normalizers.korean import unify_hangul
from utils.scoring.normalizers.letters import (
    apostrophe_letters,
    catalan_l,
    comma_below,
    dotless_case,
    dots_below,
    drop_selectors,
    hawaiian_letters,
    hooked_y,
    monotonic,
    one_amharic_sound,
    open_ligatures,
    pashto_letters,
    persian_letters,
    plain_yo,
    serbian_latin,
    sindhi_letters,
    straight_quotes,
    tone_on_first,
    urdu_letters,
    whole_armenian_words,
    without_circumflex,
    without_points,
    without_stress,
    without_trema,
)
from utils.scoring.normalizers.steps import (
    WORDS_ONLY,
    Step,
    collapse_spaces,
    drop_invisible,
    join_han,
    unify_forms,
    western_digits,
)
from utils.scoring.normalizers.thai import order_marks, settle_thai

# Phrases are looked up with the punctuation still between sentences, and without the spaces that
# some corpora put between characters.
_SIMPLIFY = (join_han, to_simplified)

# What every chain of the second generation begins and ends with.
_BEGIN = (drop_selectors, unify_forms)
_END = (western_digits, *WORDS_ONLY)
# NFKC makes a space of a lone accent (´), and an apostrophe of a part of a letter (ŉ).
_QUOTES = (straight_quotes, *_BEGIN, straight_quotes)
_PLAIN: tuple[Step, ...] = (*_QUOTES, *_END)


_NUMBERS = (western_digits, numerals_to_digits)
_TURKIC = (straight_quotes, drop_selectors, dotless_case, straight_quotes)


def _of(*letters: Step) -> tuple[Step, ...]:
    """Return `basic@2` with rules of a language, which are applied to folded text."""
    return (*_QUOTES, *letters, *_END)


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
    "basic@2": _PLAIN,
    "english@2": (straight_quotes, drop_selectors, drop_invisible, normalize_english),
    "chinese@2": (*_BEGIN, *_SIMPLIFY, *_END, join_han),
    "chinese-itn@2": (*_BEGIN, *_SIMPLIFY, *_NUMBERS, *WORDS_ONLY, join_han),
    "chinese-as-written@2": (*_BEGIN, *_END, join_han),
    "japanese@2": (*_BEGIN, shorten_vowels, *_END, join_han, shorten_vowels),
    "korean@2": (straight_quotes, drop_selectors, unify_hangul, straight_quotes, *_END),
    "thai@2": (*_BEGIN, settle_thai, *_END),
    "arabic@2": (*_BEGIN, written_letters, *_END),
    "indic@2": (drop_selectors, joined_letters, settle_spelling, unify_forms, settle_nasals, *_END),
    "persian@1": _of(persian_letters),
    "urdu@1": _of(urdu_letters),
    "pashto@1": _of(pashto_letters),
    "sindhi@1": _of(sindhi_letters),
    "turkish@1": (*_TURKIC, without_circumflex, *_END),
    "azerbaijani@1": (*_TURKIC, *_END),
    "ukrainian@1": _of(without_stress, apostrophe_letters),
    "russian@1": _of(without_stress, plain_yo),
    "cyrillic@1": _of(without_stress),
    "serbian@1": _of(without_stress, serbian_latin),
    "apostrophe@1": _of(apostrophe_letters),
    "hawaiian@1": _of(hawaiian_letters),
    "hausa@1": _of(hooked_y, hawaiian_letters),
    "yoruba@1": _of(dots_below),
    "romanian@1": _of(comma_below),
    "vietnamese@1": _of(tone_on_first),
    "hebrew@1": (drop_selectors, unify_forms, without_points, *_END),
    "greek@1": _of(monotonic),
    "armenian@1": _of(whole_armenian_words),
    "amharic@1": _of(one_amharic_sound),
    "catalan@1": _of(catalan_l),
    "french@1": _of(open_ligatures),
    "portuguese@1": _of(without_trema),
}
"""name@version -> steps, applied in this order."""

_INDIC = ("hi", "mr", "ne", "sa", "bn", "as", "pa", "gu", "ta", "te", "kn", "ml", "si")

LANGUAGE_DEFAULTS = {
    "en": "english@2",
    "zh": "chinese@2",
    "yue": "chinese@2",
    "ja": "japanese@2",
    "ko": "korean@2",
    "th": "thai@2",
    "ar": "arabic@2",
    **dict.fromkeys(_INDIC, "indic@2"),
    "fa": "persian@1",
    "ur": "urdu@1",
    "ps": "pashto@1",
    "sd": "sindhi@1",
    "tr": "turkish@1",
    "az": "azerbaijani@1",
    "ru": "russian@1",
    **dict.fromkeys(("uk", "be"), "ukrainian@1"),
    **dict.fromkeys(("bg", "mk", "mn", "kk", "tg", "tt", "ba"), "cyrillic@1"),
    "sr": "serbian@1",
    "bs": "serbian@1",
    **dict.fromkeys(("uz", "br", "sw", "so", "mt"), "apostrophe@1"),
    "haw": "hawaiian@1",
    "ha": "hausa@1",
    "yo": "yoruba@1",
    "ro": "romanian@1",
    "vi": "vietnamese@1",
    "he": "hebrew@1",
    "el": "greek@1",
    "hy": "armenian@1",
    "am": "amharic@1",
    "ca": "catalan@1",
    **dict.fromkeys(("fr", "la"), "french@1"),
    "pt": "portuguese@1",
}
"""Whisper language code -> normalizer; any other language takes `basic@2`."""
BASIC = "basic@2"


def normalizer(name: str) -> Step:
    """Return the chain of that name as one function.

    Args:
        name: A key of `NORMALIZERS`; without a version the newest is meant.

    Raises:
        UserError: There is no such normalizer, or a library that it needs is not installed.
    """
    full_name = resolve_name(name)
    steps = NORMALIZERS[full_name]
    if full_name in EXTRAS:
        load_extra(EXTRAS[full_name], full_name)

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

    Args:
        language: A Whisper language code; None where it is not known.
        remove_pun: Whether punctuation is left out of the score.
        to_simple: Whether Chinese is converted to simplified characters; other languages have
            no use for it.

    Returns:
        A key of `NORMALIZERS`, which says what is applied.
    """
    by_default = LANGUAGE_DEFAULTS.get(language or "", BASIC)
    if by_default != "chinese@2":
        return by_default if remove_pun else "none@1"
    if remove_pun:
        return "chinese@2" if to_simple else "chinese-as-written@2"
    return "chinese-with-punctuation@1" if to_simple else "none@1"
