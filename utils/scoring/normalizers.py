"""Named, versioned ways to write a transcript before its errors are counted.

A normalizer is a chain of steps, each from text to text, under a name such as `chinese@1` that goes
into every result. A chain never changes once scores were published with it: a better one is a new
row, `chinese@2`. To add one, write its steps and give it a row in `NORMALIZERS`; give it to a
language in `LANGUAGE_DEFAULTS` if it shall be chosen by itself.

What `basic` and `chinese` share:

- Combining marks stay (Mn, Mc): they are vowels in Hindi, Thai and Arabic, voicing in Japanese.
- Punctuation and symbols become spaces. What stands in brackets stays: it may have been spoken.
- Characters that cannot be seen go (Cf: zero-width spaces and joiners, direction marks).
- Compatibility forms are unified (NFKC: full-width letters, ligatures, ½, ①) and case is folded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from utils.cli.errors import UserError
from utils.scoring.english import normalize_english

Step = Callable[[str], str]


class _CharacterTable(dict[int, str]):
    """A table for `str.translate` that works each character out when it is first met."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self.rule = rule

    def __missing__(self, code_point: int) -> str:
        self[code_point] = self.rule(chr(code_point))
        return self[code_point]


def _visible(character: str) -> str:
    """Drop what cannot be seen, and make accents that stand alone a space.

    NFKC would write the latter (´ ¨ ゛ ‾) as a space and a combining mark, and marks are kept.
    """
    if unicodedata.category(character) in ("Cf", "Cc") and not character.isspace():
        return ""
    decomposed = unicodedata.normalize("NFKD", character)
    return " " if decomposed[0] == " " else character


def _spoken(character: str) -> str:
    """Put a space for punctuation (P) and symbols (S)."""
    return " " if unicodedata.category(character)[0] in "PS" else character


_VISIBLE = _CharacterTable(_visible)
_SPOKEN = _CharacterTable(_spoken)

# Characters of scripts written without spaces between words: Han with its iteration and number
# signs, kana, bopomofo.
_HAN = (
    r"[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b\u3040-\u30ff\u3100-\u312f"
    r"\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_SPACE_AT_HAN = re.compile(rf"(?<={_HAN})\s+|\s+(?={_HAN})")


def unify_forms(text: str) -> str:
    """Drop invisible characters, unify compatibility forms (NFKC) and fold case.

    Example:
        >>> unify_forms("Ｗｉ－Ｆｉ ﬁt STRASSE straße が")
        'wi-fi fit strasse strasse が'
    """
    text = text.translate(_VISIBLE)
    # Folding can undo composition and composition can bring capitals back (Unicode, D145 f.).
    for _ in range(4):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        if folded == text:
            break
        text = folded
    return text


def remove_punctuation(text: str) -> str:
    """Put spaces for punctuation and symbols; letters, marks and numbers stay.

    Example:
        >>> collapse_spaces(remove_punctuation("（笑）हिन्दी में, 【音乐】!"))
        '笑 हिन्दी में 音乐'
    """
    return text.translate(_SPOKEN)


def collapse_spaces(text: str) -> str:
    """Part words by single spaces, with none at the ends."""
    return " ".join(text.split())


def join_han(text: str) -> str:
    """Drop spaces beside Han characters and kana; Latin words keep a space between them.

    Example:
        >>> join_han("尚街 Loft 时尚 生活 open the door")
        '尚街Loft时尚生活open the door'
    """
    return _SPACE_AT_HAN.sub("", text)


def to_simplified(text: str) -> str:
    """Convert traditional Chinese characters to simplified ones, by phrases (OpenCC t2s).

    Example:
        >>> to_simplified("乾燥的頭髮 乾隆皇帝")
        '干燥的头发 乾隆皇帝'
    """
    # A conversion can complete a phrase or a chain (薴 苧 苎) for the next; so until it rests.
    for _ in range(4):
        converted: str = _opencc().convert(text)
        if converted == text:
            break
        text = converted
    return text


@lru_cache(maxsize=1)
def _opencc() -> Any:
    """Load OpenCC's tables once, when the first text needs them."""
    import opencc

    return opencc.OpenCC("t2s")


# Phrases are looked up with the punctuation still between sentences, and without the spaces that
# some corpora put between characters.
_SIMPLIFY = (join_han, to_simplified)
_WORDS_ONLY = (remove_punctuation, collapse_spaces)

NORMALIZERS: dict[str, tuple[Step, ...]] = {
    "none@1": (),
    "basic@1": (unify_forms, *_WORDS_ONLY),
    "english@1": (normalize_english,),
    "chinese@1": (unify_forms, *_SIMPLIFY, *_WORDS_ONLY, join_han),
    # chinese@1 without one of its two halves, for remove_pun=False and to_simple=False.
    "chinese-with-punctuation@1": (unify_forms, collapse_spaces, *_SIMPLIFY),
    "chinese-as-written@1": (unify_forms, *_WORDS_ONLY, join_han),
}
"""name@version -> steps, applied in this order."""

LANGUAGE_DEFAULTS = {"en": "english@1", "zh": "chinese@1", "yue": "chinese@1"}
"""Whisper language code -> normalizer; any other language takes `basic@1`."""


def normalizer(name: str) -> Step:
    """Return the chain of that name as one function.

    Args:
        name: A key of `NORMALIZERS`; without a version the newest is meant.

    Raises:
        UserError: There is no such normalizer.
    """
    steps = NORMALIZERS[resolve_name(name)]

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
    by_default = LANGUAGE_DEFAULTS.get(language or "", "basic@1")
    if by_default != "chinese@1":
        return by_default if remove_pun else "none@1"
    if remove_pun:
        return "chinese@1" if to_simple else "chinese-as-written@1"
    return "chinese-with-punctuation@1" if to_simple else "none@1"
