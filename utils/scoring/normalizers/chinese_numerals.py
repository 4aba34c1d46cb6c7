"""Chinese numerals and digits, both directions, without a library.

`numerals_to_digits` is what `chinese-itn@2` counts by; `digits_to_numerals` is its way back, and
the tests hold one to the other. Both sides of a score pass through the same rules, so it matters
only that equal numbers come out equal: 一 in 一些 becomes 1 on both.
"""

from __future__ import annotations

import re

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")}
_DIGITS |= {"〇": 0, "两": 2, "幺": 1}
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "亿": 10**8}
_UNITS = _SMALL | _LARGE
_D = "零〇一二两三四五六七八九"
# A number with units begins with a digit or 十; 千万 and 百般 by themselves are words.
_WITH_UNITS = rf"(?:[{_D}幺]|十(?![百千]))[{_D}十百千万亿]*"
_NUMERAL = re.compile(rf"(百分之|千分之)?(负(?=[{_D}十]))?({_WITH_UNITS})(点[{_D}幺]+)?")
_MIXED = re.compile(r"(\d+(?:\.\d+)?)(亿|万|千|百)(?![分般])")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def numerals_to_digits(text: str) -> str:
    """Write Chinese numerals as digits; percentages begin with 百分之.

    Example:
        >>> numerals_to_digits("二零二零年三月五号,百分之五十,一百二十三块,三点五万")
        '2020年3月5号,百分之50,123块,35000'
    """
    text = _PERCENT.sub(r"百分之\1", _GROUPED.sub("", text))
    text = _NUMERAL.sub(_written, text)
    return _MIXED.sub(_multiplied, text)


def _written(found: re.Match[str]) -> str:
    share, minus, whole, fraction = found.groups(default="")
    value = _value(whole)
    if value is None:
        return found[0]
    point = "." + "".join(str(_DIGITS[c]) for c in fraction[1:]) if fraction else ""
    return f"{share}{'-' if minus else ''}{value}{point}"


def _value(numeral: str) -> str | None:
    """Return a numeral as digits, None where it is no number (一千一)."""
    if not any(character in _UNITS for character in numeral):
        return "".join(str(_DIGITS[character]) for character in numeral)
    total = section = digit = 0
    last = 1
    for place, character in enumerate(numeral):
        if character in _DIGITS:
            if digit and numeral[place - 1] in _DIGITS and numeral[place - 1] not in "零〇":
                return None  # two digits in a row: 三五百 is "three to five hundred"
            digit = _DIGITS[character]
            if not digit:
                last = 10
        elif character in _SMALL:
            section += (digit or 1) * _SMALL[character]
            digit, last = 0, _SMALL[character]
        else:
            # 亿 multiplies all before it, 万 what follows the last 亿: 三万四千亿五千万.
            inner = section + digit
            if character == "亿":
                total = (total + inner) * _LARGE[character]
            else:
                total += inner * _LARGE[character]
            section, digit, last = 0, 0, _LARGE[character]
    if digit and last >= 100:
        digit *= last // 10  # 一百二 is 120, 三万五 is 35000
    return str(total + section + digit)


def _multiplied(found: re.Match[str]) -> str:
    """Write 3万 and 1.5亿 out."""
    whole, _, fraction = found[1].partition(".")
    zeros = len(str(_UNITS[found[2]])) - 1
    if len(fraction) > zeros:
        return found[0]
    return str(int(whole + fraction.ljust(zeros, "0")))


def digits_to_numerals(number: str) -> str:
    """Write a number as it is said: the way back from `numerals_to_digits`.

    Args:
        number: Digits, with a decimal point perhaps; below 10^16.

    Example:
        >>> digits_to_numerals("10203"), digits_to_numerals("12.05"), digits_to_numerals("0")
        ('一万零二百零三', '十二点零五', '零')
    """
    whole, _, fraction = number.partition(".")
    said = _section_names(int(whole))
    said = said.removeprefix("一") if said.startswith("一十") else said
    names = "零一二三四五六七八九"
    return said + ("点" + "".join(names[int(c)] for c in fraction) if fraction else "")


def _section_names(value: int) -> str:
    if value < 10:
        return "零一二三四五六七八九"[value]
    for name, size in (("亿", 10**8), ("万", 10**4), ("千", 1000), ("百", 100), ("十", 10)):
        if value >= size:
            head, rest = divmod(value, size)
            if not rest:
                return _section_names(head) + name
            # A zero is said where a place is skipped.
            gap = "零" if rest < size // 10 else ""
            tail = _section_names(rest)
            return _section_names(head) + name + gap + tail
    raise AssertionError(value)
