"""Japanese: what writers draw out or space as they like, in one form (neologdn)."""

from __future__ import annotations

from utils.scoring.normalizers.extras import load_extra
from utils.scoring.normalizers.steps import until_it_rests


def settle_kana(text: str) -> str:
    """Shorten drawn-out vowels (すごーーい), drop tildes and the spaces beside kana and Han.

    neologdn is the cleaner that the NEologd dictionary defines; it is small, compiled, and kept.
    Voicing marks stay with their kana, and 啊-like fillers (ええと, あの) stay as they are.

    Raises:
        UserError: neologdn is not installed.
    """
    return until_it_rests(load_extra("neologdn", "japanese").normalize, text)
