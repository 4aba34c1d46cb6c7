"""Arabic: without the marks and forms that writers may leave out (PyArabic)."""

from __future__ import annotations

import re

from utils.scoring.normalizers.extras import load_extra

_ALEFS = str.maketrans("أإآٱ", "اااا")


_UNWRITTEN = re.compile("[\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06ed]")
# Typed on a Persian keyboard.
_PERSIAN_KEYS = str.maketrans("کیے", "كيي")


def written_letters(text: str) -> str:
    """Drop short vowels and tatweel, write every alef plain, and kaf and yeh as Arabic does.

    Most Arabic is written without them, so a reference that has them would charge the model for
    a custom. The letters ى, ة, ؤ and ئ are spelling and stay.

    Example:
        >>> written_letters("أحمد") == "احمد"
        True
    """
    return _UNWRITTEN.sub("", text).translate(_ALEFS).translate(_PERSIAN_KEYS)


def plain_letters(text: str) -> str:
    """Drop short vowels and tatweel, and write every alef plain.

    Most Arabic is written without them, so a reference that has them would charge the model for
    a custom. The letters ى, ة, ؤ and ئ are spelling and stay. PyArabic is pure Python;
    camel-tools does the same and more, but brings torch and transformers.

    Raises:
        UserError: pyarabic is not installed.
    """
    araby = load_extra("pyarabic.araby", "arabic")
    stripped: str = araby.strip_tatweel(araby.strip_tashkeel(text))
    # The superscript alef is a vowel mark as well, which strip_tashkeel leaves.
    return stripped.replace("\u0670", "").translate(_ALEFS)
