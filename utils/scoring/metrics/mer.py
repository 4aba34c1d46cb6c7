"""Mixed error rate: Han characters and kana one by one, everything else by words.

For speech that switches between Chinese and English. By the CER a wrong English word weighs as
many errors as it has letters, by the WER a whole Chinese sentence is one word. wenet's
compute-wer.py with --char=1 counts the same tokens.
"""

from __future__ import annotations

import re

from utils.scoring.normalizers.steps import HAN

_TOKEN = re.compile(rf"{HAN}|(?:(?!{HAN})\S)+")


def characters_and_words(text: str) -> list[str]:
    """Return each Han character or kana, and each run of anything else between spaces.

    Example:
        >>> characters_and_words("打开 Apple Music吧")
        ['打', '开', 'Apple', 'Music', '吧']
    """
    return _TOKEN.findall(text)
