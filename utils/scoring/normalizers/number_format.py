"""Numbers in one format, so that 二十, twenty and 20 are told from words that were misheard."""

from __future__ import annotations

from utils.scoring.normalizers.chinese_numerals import numerals_to_digits
from utils.scoring.normalizers.english_numbers import digits_for_numbers
from utils.scoring.normalizers.steps import western_digits


def numbers_as_digits(text: str) -> str:
    """Write numbers as digits: Chinese numerals, English number words, digits of any script.

    Nothing else of the text is unified, so that two texts which become equal differed in their
    numbers alone. Text with Han characters loses its spaces.

    Example:
        >>> [numbers_as_digits(each) for each in ("二十三 块", "twenty three", "٢٣")]
        ['23块', '23', '23']
    """
    text = western_digits(text)
    if any("\u3400" <= character <= "\u9fff" for character in text):
        return "".join(numerals_to_digits(text).split())
    return digits_for_numbers(text.casefold()) if text.isascii() else text
