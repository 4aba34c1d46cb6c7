"""Thai: vowels and tone marks in one order (PyThaiNLP)."""

from __future__ import annotations

from utils.scoring.normalizers.extras import load_extra
from utils.scoring.normalizers.steps import until_it_rests


def order_marks(text: str) -> str:
    """Put marks in their order, compose sara am and sara ae, drop doubled and dangling marks.

    PyThaiNLP is the library that Thai speech recognition is scored with, and is well kept.
    NFKC takes sara am (ำ) apart; here it is put together again.

    Raises:
        UserError: pythainlp is not installed.
    """
    return until_it_rests(load_extra("pythainlp.util", "thai").normalize, text)
