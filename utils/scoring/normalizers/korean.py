"""Korean: syllables composed, but letters that stand alone (ㅋㅋ, ㅠㅠ) left alone.

No library: what the Korean ones do beyond this is spacing and spelling correction, which would
correct the model that is measured.
"""

from __future__ import annotations

import re

from utils.scoring.normalizers.steps import unify_forms

_LETTERS_ALONE = re.compile("([\u3131-\u318e]+)")


def unify_hangul(text: str) -> str:
    """Unify compatibility forms, except for Hangul letters written alone.

    NFKC reads ㄱㅏ as the syllable 가, though it was written, and spoken, as two letters.

    Example:
        >>> unify_hangul("한국 ＡＢＣ ㅋㅋ ㄱㅏ")
        '한국 abc ㅋㅋ ㄱㅏ'
    """
    parts = _LETTERS_ALONE.split(text)
    parts[::2] = map(unify_forms, parts[::2])
    return "".join(parts)
