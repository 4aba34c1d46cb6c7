"""Japanese: what writers draw out or space as they like, in one form (neologdn)."""

from __future__ import annotations

import re

from utils.scoring.normalizers.extras import load_extra
from utils.scoring.normalizers.steps import until_it_rests

_DRAWN_OUT = re.compile("\u30fc{2,}")
_TILDES = re.compile("[~\u223c\u223e\u301c\u3030\uff5e]+")


def shorten_vowels(text: str) -> str:
    """Shorten drawn-out vowels to one mark (すごーーい), and drop tildes.

    Example:
        >>> shorten_vowels("すごーーーい〜")
        'すごーい'
    """
    return _DRAWN_OUT.sub("\u30fc", _TILDES.sub("", text))


def settle_kana(text: str) -> str:
    """Shorten drawn-out vowels (すごーーい), drop tildes and the spaces beside kana and Han.

    neologdn is the cleaner that the NEologd dictionary defines; it is small, compiled, and kept.
    Voicing marks stay with their kana, and 啊-like fillers (ええと, あの) stay as they are.

    Raises:
        UserError: neologdn is not installed.
    """
    return until_it_rests(load_extra("neologdn", "japanese").normalize, text)
