"""Thai: vowels and tone marks in one order (PyThaiNLP)."""

from __future__ import annotations

import re

from utils.scoring.normalizers.extras import load_extra
from utils.scoring.normalizers.steps import until_it_rests

_TONES = "\u0e48-\u0e4b"
_ABOVE = "\u0e31\u0e34-\u0e3a\u0e47\u0e4d"
_TONE_FIRST = re.compile(rf"([{_TONES}]+)([{_ABOVE}]+)")
_DOUBLED = re.compile(rf"([{_ABOVE}{_TONES}])\1+")


def settle_thai(text: str) -> str:
    """Put vowels before tone marks, drop doubled marks, and write sara ae as one letter.

    Fonts draw both orders alike. It comes after NFKC, which takes sara am (ำ) apart.

    Example:
        >>> settle_thai("เเปลก") == "แปลก"
        True
    """
    text = _TONE_FIRST.sub(r"\2\1", text.replace("\u0e40\u0e40", "\u0e41"))
    return _DOUBLED.sub(r"\1", text)


def order_marks(text: str) -> str:
    """Put marks in their order, compose sara am and sara ae, drop doubled and dangling marks.

    PyThaiNLP is the library that Thai speech recognition is scored with, and is well kept.
    NFKC takes sara am (ำ) apart; here it is put together again.

    Raises:
        UserError: pythainlp is not installed.
    """
    return until_it_rests(load_extra("pythainlp.util", "thai").normalize, text)
