"""Scripts of India and Sri Lanka: the spellings that look alike written one way.

The rules are those on which indic-nlp-library and Unicode (chapter 12, "Do not use" tables) agree.
They are written here because that library installs Sphinx and its company.
"""

from __future__ import annotations

import re

# Malayalam consonant + virama + joiner, the old way to write a letter that now has a code point.
_CHILLUS = {
    "\u0d23": "\u0d7a",
    "\u0d28": "\u0d7b",
    "\u0d30": "\u0d7c",
    "\u0d32": "\u0d7d",
    "\u0d33": "\u0d7e",
    "\u0d15": "\u0d7f",
}
_CHILLU = re.compile(rf"([{''.join(_CHILLUS)}])\u0d4d\u200d")

# Independent vowels that were typed as another vowel and a vowel sign.
_VOWELS = {
    "\u0905\u093e": "\u0906",
    "\u0905\u094b": "\u0913",
    "\u0905\u094c": "\u0914",
    "\u0905\u0949": "\u0911",
    "\u0906\u0947": "\u0913",
    "\u0906\u0948": "\u0914",
    "\u090f\u0947": "\u0910",
    "\u0985\u09be": "\u0986",
    "\u0a05\u0a3e": "\u0a06",
    "\u0a05\u0a48": "\u0a10",
    "\u0a05\u0a4c": "\u0a14",
    "\u0a72\u0a3f": "\u0a07",
    "\u0a72\u0a40": "\u0a08",
    "\u0a72\u0a47": "\u0a0f",
    "\u0a73\u0a41": "\u0a09",
    "\u0a73\u0a42": "\u0a0a",
    "\u0a73\u0a4b": "\u0a13",
    "\u0a85\u0abe": "\u0a86",
    "\u0b05\u0b3e": "\u0b06",
    "\u0c92\u0ccc": "\u0c94",
}
_TYPED_VOWEL = re.compile("|".join(_VOWELS))


# Devanagari nasals that anusvara stands for: before stops of their own class.
_NASALS = (
    ("\u0919", "\u0915-\u0918"),
    ("\u091e", "\u091a-\u091d"),
    ("\u0923", "\u091f-\u0922"),
    ("\u0928", "\u0924-\u0927"),
    ("\u092e", "\u092a-\u092d"),
)
_HOMORGANIC = [re.compile(rf"{nasal}\u094d(?=[{stops}])") for nasal, stops in _NASALS]
_KHANDA_TA = "\u09a4\u09cd\u200d"


def settle_nasals(text: str) -> str:
    """Write हिन्दी as हिंदी: anusvara for the nasal of the stop that follows.

    Both are taught; the joiners of old Bengali khanda ta are read before they are dropped.

    Example:
        >>> settle_nasals("हिन्दी") == "हिंदी"
        True
    """
    for pattern in _HOMORGANIC:
        text = pattern.sub("\u0902", text)
    return text


def joined_letters(text: str) -> str:
    """Write letters that once needed a joiner with their own code points: Bengali khanda ta."""
    return text.replace(_KHANDA_TA, "\u09ce")


def settle_spelling(text: str) -> str:
    """Write chillus and independent vowels with their own code points.

    It must come before joiners are dropped, for they mark an old chillu.

    Example:
        >>> settle_spelling("\u0d28\u0d4d\u200d") == "\u0d7b"
        True
    """
    text = _CHILLU.sub(lambda found: _CHILLUS[found[1]], text)
    return _TYPED_VOWEL.sub(lambda found: _VOWELS[found[0]], text)
