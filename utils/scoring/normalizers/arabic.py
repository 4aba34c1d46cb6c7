"""Arabic: without the marks and forms that writers may leave out (PyArabic)."""

from __future__ import annotations

from utils.scoring.normalizers.extras import load_extra

_ALEFS = str.maketrans("أإآٱ", "اااا")


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
