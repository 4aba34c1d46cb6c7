"""Spelled-out English numbers to digits: "twenty five million dollars" -> "$25000000".

The words are read from left to right by one small machine. `value` holds the number read so far: an
int while it can still grow by addition ("twenty" + "five"), text once its digits are being said
one by one ("one oh one" -> "101", "three point one" -> "3.1").
"""

from __future__ import annotations

import re
from fractions import Fraction

_ZEROS = {"o", "oh", "zero"}
_ONE_TO_NINETEEN = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TWENTY_TO_NINETY = "twenty thirty forty fifty sixty seventy eighty ninety"
_POWERS_OF_A_THOUSAND = (
    "thousand million billion trillion quadrillion quintillion sextillion septillion "
    "octillion nonillion decillion"
)
_ONES = {name: number for number, name in enumerate(_ONE_TO_NINETEEN.split(), start=1)}
_TENS = {name: 10 * number for number, name in enumerate(_TWENTY_TO_NINETY.split(), start=2)}
_MULTIPLIERS = {
    "hundred": 100,
    **{name: 1000**n for n, name in enumerate(_POWERS_OF_A_THOUSAND.split(), start=1)},
}

Suffixed = dict[str, tuple[int, str]]  # word -> number and the letters written after it

_ONES_SUFFIXED: Suffixed = {
    **{("sixes" if name == "six" else f"{name}s"): (n, "s") for name, n in _ONES.items()},
    "zeroth": (0, "th"),
    "first": (1, "st"),
    "second": (2, "nd"),
    "third": (3, "rd"),
    "fifth": (5, "th"),
    "twelfth": (12, "th"),
    **{
        name + ("h" if name.endswith("t") else "th"): (n, "th")
        for name, n in _ONES.items()
        if n > 3 and n not in (5, 12)
    },
}
_TENS_SUFFIXED: Suffixed = {
    **{name.replace("y", "ies"): (n, "s") for name, n in _TENS.items()},
    **{name.replace("y", "ieth"): (n, "th") for name, n in _TENS.items()},
}
_MULTIPLIERS_SUFFIXED: Suffixed = {
    **{f"{name}s": (n, "s") for name, n in _MULTIPLIERS.items()},
    **{f"{name}th": (n, "th") for name, n in _MULTIPLIERS.items()},
}
_SIGNS_BEFORE = {"minus": "-", "negative": "-", "plus": "+", "positive": "+"}
_CURRENCIES_AFTER = {
    "pound": "£",
    "pounds": "£",
    "euro": "€",
    "euros": "€",
    "dollar": "$",
    "dollars": "$",
    "cent": "¢",
    "cents": "¢",
}
_PREFIXES = {*_SIGNS_BEFORE.values(), *_CURRENCIES_AFTER.values()}
_DECIMALS = {*_ONES, *_TENS, *_ZEROS}
_NUMBER = re.compile(r"^\d+(\.\d+)?$")


def digits_for_numbers(text: str) -> str:
    """Return lower-case English text with its spelled-out numbers in digits.

    Example:
        >>> digits_for_numbers("two hundred and one thousand and a half percent")
        '201000.5%'
        >>> digits_for_numbers("one oh one")
        '101'
    """
    text = " ".join(_NumberReader(_separate(text).split()).read())
    text = re.sub(r"([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b", _with_cents, text)
    text = re.sub(r"[€£$]0.([0-9]{1,2})\b", lambda found: f"¢{int(found[1])}", text)
    return re.sub(r"\b1(s?)\b", r"one\1", text)  # "the one", not "the 1"


def _with_cents(found: re.Match[str]) -> str:
    """$2 and ¢7 -> $2.07"""
    return f"{found[1]}{found[2]}.{int(found[3]):02d}"


def _separate(text: str) -> str:
    """Write "and a half" as "point five" after a number, and part digits from letters."""
    *numbers, last = re.split(r"\band\s+a\s+half\b", text)
    parts = []
    for segment in numbers:
        if not segment.strip():
            continue
        last_word = segment.rsplit(maxsplit=2)[-1]
        is_number = last_word in _DECIMALS or last_word in _MULTIPLIERS
        parts += [segment, "point five" if is_number else "and a half"]
    text = " ".join([*parts, last] if last.strip() else parts)
    text = re.sub(r"([a-z])([0-9])", r"\1 \2", text)
    text = re.sub(r"([0-9])([a-z])", r"\1 \2", text)
    return re.sub(r"([0-9])\s+(st|nd|rd|th|s)\b", r"\1\2", text)


class _NumberReader:
    """Reads words left to right and puts out words and numbers in digits."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.value: int | str | None = None
        self.prefix: str | None = None
        self.out: list[str] = []

    def read(self) -> list[str]:
        """Return the words with their numbers in digits."""
        position = 0
        while position < len(self.words):
            position += self._read_word(position)
        self._flush()
        return self.out

    def _read_word(self, position: int) -> int:
        """Read the word at `position`; return how many words were used up (1 or 2)."""
        word = self.words[position]
        previous = self.words[position - 1] if position else ""
        following = self.words[position + 1] if position + 1 < len(self.words) else ""
        if self._read_digits(word):
            return 1
        if word in _ZEROS:
            self.value = f"{self.value or ''}0"
        elif word in _ONES:
            self._read_ones(_ONES[word], previous)
        elif word in _ONES_SUFFIXED:
            number, suffix = _ONES_SUFFIXED[word]
            self._read_ones(number, previous)
            self._put_suffixed(suffix)
        elif word in _TENS:
            self._read_tens(_TENS[word])
        elif word in _TENS_SUFFIXED:
            number, suffix = _TENS_SUFFIXED[word]
            self._read_tens(number)
            self._put_suffixed(suffix)
        elif word in _MULTIPLIERS:
            self._read_multiplier(_MULTIPLIERS[word], zero_is_text=True)
        elif word in _MULTIPLIERS_SUFFIXED:
            number, suffix = _MULTIPLIERS_SUFFIXED[word]
            self._read_multiplier(number, zero_is_text=False)
            self._put_suffixed(suffix)
        elif word in _SIGNS_BEFORE or word in _CURRENCIES_AFTER:
            self._read_prefix(word, following)
        elif word in ("per", "percent"):
            return self._read_percent(word, following)
        elif word in ("and", "double", "triple", "point"):
            return self._read_connective(word, previous, following)
        else:
            self._flush()
            self._put(word)
        return 1

    def _put(self, text: str) -> None:
        """Put out a word or number, behind the prefix that waits for it."""
        self.out.append((self.prefix or "") + text)
        self.value = self.prefix = None

    def _flush(self) -> None:
        """Put out the number read so far, if there is one."""
        if self.value is not None:
            self._put(str(self.value))

    def _put_suffixed(self, suffix: str) -> None:
        """Put out the number read so far with letters behind it: 21st, 90s."""
        self._put(f"{self.value}{suffix}")

    def _read_digits(self, word: str) -> bool:
        """Read a number already in digits, perhaps with a sign or currency before it."""
        prefix = word[0] if word[0] in _PREFIXES else None
        digits = word[1:] if prefix else word
        if not _NUMBER.match(digits):
            return False
        if isinstance(self.value, str) and self.value.endswith("."):
            self.value += word  # decimals, parts of an address
            return True
        self._flush()
        self.prefix = prefix or self.prefix
        number = Fraction(digits)
        self.value = number.numerator if number.denominator == 1 else digits
        return True

    def _read_ones(self, ones: int, previous: str) -> None:
        """Add a number from 0 to 19 to the value, or write it behind it."""
        if self.value is None:
            self.value = ones
        elif isinstance(self.value, str) or previous in _ONES:
            text = str(self.value)
            # "nineteen twenty" is the text 1920: its last zero gives way to "four".
            fills_zero = previous in _TENS and ones < 10
            self.value = (text[:-1] if fills_zero else text) + str(ones)
        elif self.value % (10 if ones < 10 else 100) == 0:
            self.value += ones
        else:
            self.value = f"{self.value}{ones}"

    def _read_tens(self, tens: int) -> None:
        """Add 20, 30 ... 90 to the value, or write it behind it."""
        if self.value is None:
            self.value = tens
        elif isinstance(self.value, int) and self.value % 100 == 0:
            self.value += tens
        else:
            self.value = f"{self.value}{tens}"

    def _read_multiplier(self, multiplier: int, *, zero_is_text: bool) -> None:
        """Multiply the last three digits of the value, or the whole of it where it is text."""
        if self.value is None:
            self.value = multiplier
        elif isinstance(self.value, str) or (zero_is_text and self.value == 0):
            product = _multiplied(self.value, multiplier)
            if product is None:
                self._flush()
                product = multiplier
            self.value = product
        else:
            whole = self.value // 1000 * 1000
            self.value = whole + self.value % 1000 * multiplier

    def _read_prefix(self, word: str, following: str) -> None:
        """Read "minus" before a number or "dollars" after one."""
        if word in _CURRENCIES_AFTER:
            if self.value is None:
                self._put(word)
            else:
                self.prefix = _CURRENCIES_AFTER[word]
                self._flush()
            return
        self._flush()
        if _may_be_number(following):
            self.prefix = _SIGNS_BEFORE[word]
        else:
            self._put(word)

    def _read_percent(self, word: str, following: str) -> int:
        """Read "percent" or "per cent" after a number; return how many words that was."""
        is_percent = word == "percent" or following == "cent"
        if self.value is not None and is_percent:
            self._put(f"{self.value}%")
            return 1 if word == "percent" else 2
        self._flush()
        self._put(word)
        return 1

    def _read_connective(self, word: str, previous: str, following: str) -> int:
        """Read "and", "point", "double" or "triple"; return how many words were used up."""
        is_digit_next = following in _ONES or following in _ZEROS
        if word == "point" and _may_be_number(following):
            if following in _DECIMALS or _NUMBER.match(following):
                self.value = f"{self.value or ''}."
        elif word in ("double", "triple") and is_digit_next:
            digits = str(_ONES.get(following, 0)) * (2 if word == "double" else 3)
            self.value = f"{self.value or ''}{digits}"
            return 2
        elif not (word == "and" and previous in _MULTIPLIERS and _may_be_number(following)):
            self._flush()
            self._put(word)
        return 1


def _multiplied(value: int | str, multiplier: int) -> int | None:
    """Return value times multiplier where that is a whole number."""
    try:
        product = Fraction(value) * multiplier
    except ValueError:  # text that is no number, such as an address
        return None
    return product.numerator if product.denominator == 1 else None


_NUMBER_WORDS = {
    *_DECIMALS,
    *_ONES_SUFFIXED,
    *_TENS_SUFFIXED,
    *_MULTIPLIERS,
    *_MULTIPLIERS_SUFFIXED,
    *_SIGNS_BEFORE,
    *_CURRENCIES_AFTER,
    *("per", "percent", "and", "double", "triple", "point"),
}


def _may_be_number(word: str) -> bool:
    """Whether a number may begin or go on with this word."""
    return word in _NUMBER_WORDS or _NUMBER.match(word) is not None
