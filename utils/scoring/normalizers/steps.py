"""Steps that the normalizers of several languages share, each from text to text.

- Combining marks stay (Mn, Mc): they are vowels in Hindi, Thai and Arabic, voicing in Japanese.
- Punctuation and symbols become spaces. What stands in brackets stays: it may have been spoken.
- Characters that cannot be seen go (Cf: zero-width spaces and joiners, direction marks).
- Compatibility forms are unified (NFKC: full-width letters, ligatures, ½, ①) and case is folded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

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


def _western(character: str) -> str:
    """Return the decimal digit that a character stands for, or the character."""
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


_DIGITS = _CharacterTable(_western)
_VISIBLE = _CharacterTable(_visible)
_SPOKEN = _CharacterTable(_spoken)

# Characters of scripts written without spaces between words: Han with its iteration and number
# signs, kana, bopomofo.
HAN = (
    r"[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b\u3040-\u30ff\u3100-\u312f"
    r"\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_SPACE_ATHAN = re.compile(rf"(?<={HAN})\s+|\s+(?={HAN})")


def drop_invisible(text: str) -> str:
    """Drop what cannot be seen: joiners, direction marks, soft hyphens."""
    return text.translate(_VISIBLE)


def unify_forms(text: str) -> str:
    """Drop invisible characters, unify compatibility forms (NFKC) and fold case.

    Example:
        >>> unify_forms("Ｗｉ－Ｆｉ ﬁt STRASSE straße が")
        'wi-fi fit strasse strasse が'
    """
    composed = unicodedata.normalize("NFKC", text.translate(_VISIBLE))
    # Folding can undo composition (Unicode, D145 f.).
    return unicodedata.normalize("NFKC", composed.casefold())


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
    return _SPACE_ATHAN.sub("", text)


def western_digits(text: str) -> str:
    """Write the decimal digits of every script as 0 to 9.

    Example:
        >>> western_digits("१२ ٣٤ ๕๖")
        '12 34 56'
    """
    return text.translate(_DIGITS)


def until_it_rests(step: Step, text: str) -> str:
    """Repeat a library's step until it changes nothing, so that a chain is idempotent.

    Args:
        step: What to repeat, at most four times.
        text: Where to begin.
    """
    for _ in range(4):
        changed = step(text)
        if changed == text:
            break
        text = changed
    return text


WORDS_ONLY: tuple[Step, ...] = (remove_punctuation, collapse_spaces)
"""The end of nearly every chain."""
