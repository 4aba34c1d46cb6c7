"""A transcript's text as somebody may want to read it: simplified Chinese, no punctuation."""

from __future__ import annotations

from utils.scoring.normalizers.chinese import to_simplified
from utils.scoring.normalizers.steps import collapse_spaces, join_han, remove_punctuation
from utils.scoring.tokens import LANGUAGES_WITHOUT_SPACES

CHINESE = ("zh", "yue")


def rewritten(text: str, language: str | None, *, to_simple: bool, remove_pun: bool) -> str:
    """A text as it is wanted.

    Args:
        text: as the model wrote it.
        language: of it.
        to_simple: Chinese in simplified characters; other languages stay as they are.
        remove_pun: without punctuation.
    """
    if to_simple and language in CHINESE:
        text = to_simplified(text)
    if remove_pun:
        text = collapse_spaces(remove_punctuation(text))
        if language in LANGUAGES_WITHOUT_SPACES:
            text = join_han(text)
    return text
