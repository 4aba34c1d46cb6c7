"""English text the way OpenAI's normalizer writes it, so that scores compare with published ones.

Spelled-out numbers become digits, contractions and titles are written out, British spellings become
American, fillers and bracketed remarks go. The rules are those of Whisper's `EnglishTextNormalizer`
(MIT licence); its spelling table stands beside this file. The original lives in packages that
import torch, and its repackagings bring libraries for other languages along, so the rules are
written anew here and the tests hold them to the original, word for word.

Like the original it is not idempotent everywhere: "20 1" becomes "20 one", and that becomes "21".
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from utils.scoring.normalizers.english_numbers import digits_for_numbers

_SPELLING_TABLE = Path(__file__).with_name("british_to_american.json")

# Letters that NFKD leaves whole.
_PLAIN_LETTERS = {
    "œ": "oe",
    "Œ": "OE",
    "ø": "o",
    "Ø": "O",
    "æ": "ae",
    "Æ": "AE",
    "ß": "ss",
    "ẞ": "SS",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "þ": "th",
    "Þ": "th",
    "ł": "l",
    "Ł": "L",
}
_NUMBER_SYMBOLS = ".%$¢€£"

_REMARKS = (
    r"[<\[][^>\]]*[>\]]",
    r"\(([^)]+?)\)",
    r"\b(hmm|mm|mhm|mmm|uh|um)\b",
)
_TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "st": "saint",
    "dr": "doctor",
    "prof": "professor",
    "capt": "captain",
    "gov": "governor",
    "ald": "alderman",
    "gen": "general",
    "sen": "senator",
    "rep": "representative",
    "pres": "president",
    "rev": "reverend",
    "hon": "honorable",
    "asst": "assistant",
    "assoc": "associate",
    "lt": "lieutenant",
    "col": "colonel",
    "jr": "junior",
    "sr": "senior",
    "esq": "esquire",
}
_WHOLE_WORDS = {
    "won't": "will not",
    "can't": "can not",
    "let's": "let us",
    "ain't": "aint",
    "y'all": "you all",
    "wanna": "want to",
    "gotta": "got to",
    "gonna": "going to",
    "i'ma": "i am going to",
    "imma": "i am going to",
    "woulda": "would have",
    "coulda": "could have",
    "shoulda": "should have",
    "ma'am": "madam",
}
_ENDINGS = {
    "'d been": "had been",
    "'s been": "has been",
    "'d gone": "had gone",
    "'s gone": "has gone",
    "'d done": "had done",
    "'s got": "has got",
    "n't": "not",
    "'re": "are",
    "'s": "is",
    "'d": "would",
    "'ll": "will",
    "'t": "not",
    "'ve": "have",
    "'m": "am",
}
# In this order: "won't" must be found before "n't", and "'s been" before "'s".
_EXPANSIONS = [
    *((re.compile(rf"\b{short}\b"), long) for short, long in _WHOLE_WORDS.items()),
    *((re.compile(rf"\b{short}\b"), f"{long} ") for short, long in _TITLES.items()),
    *((re.compile(rf"{short}\b"), f" {long}") for short, long in _ENDINGS.items()),
]


def normalize_english(text: str) -> str:
    """Return English text in OpenAI's normal form, words separated by single spaces.

    Example:
        >>> normalize_english("Mr. Smith's colour TV didn't cost $20 million (laughs)")
        'mister smith is color tv did not cost $20000000'
    """
    text = text.lower()
    for remark in _REMARKS:
        text = re.sub(remark, "", text)
    text = re.sub(r"\s+'", "'", text)
    for pattern, written_out in _EXPANSIONS:
        text = pattern.sub(written_out, text)
    text = re.sub(r"(\d),(\d)", r"\1\2", text)  # 1,000
    text = re.sub(r"\.([^0-9]|$)", r" \1", text)  # full stops, but not decimal points
    text = digits_for_numbers(_without_marks(text))
    spelling = _american_spelling()
    text = " ".join(spelling.get(word, word) for word in text.split())
    # Symbols that no number stands beside are only punctuation.
    text = re.sub(r"[.$¢€£]([^0-9])", r" \1", text)
    text = re.sub(r"([^0-9])%", r"\1 ", text)
    return " ".join(text.split())


def _without_marks(text: str) -> str:
    """Drop diacritics, and put spaces for symbols other than those of numbers."""
    return "".join(map(_plain, unicodedata.normalize("NFKD", text)))


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    """Return what becomes of one decomposed character."""
    if character in _NUMBER_SYMBOLS:
        return character
    if character in _PLAIN_LETTERS:
        return _PLAIN_LETTERS[character]
    category = unicodedata.category(character)
    if category == "Mn":
        return ""
    return " " if category[0] in "MSP" else character


@lru_cache(maxsize=1)
def _american_spelling() -> dict[str, str]:
    """Return British spelling -> American spelling."""
    table: dict[str, str] = json.loads(_SPELLING_TABLE.read_text(encoding="utf-8"))
    return table
