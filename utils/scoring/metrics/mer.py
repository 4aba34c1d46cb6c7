"""Mixed error rate: Han characters and kana one by one, everything else by words.

For speech that switches between Chinese and English. By the CER a wrong English word weighs as
many errors as it has letters, by the WER a whole Chinese sentence is one word. wenet's
compute-wer.py with --char=1 counts the same tokens.
"""

from __future__ import annotations

import re

from utils.scoring.normalizers.steps import HAN

_RUN = re.compile(rf"({HAN}+)|[^\s{HAN[1:-1]}]+")


def characters_and_words(text: str) -> list[str]:
    """Return each Han character or kana, and each run of anything else between spaces.

    Example:
        >>> characters_and_words("打开 Apple Music吧")
        ['打', '开', 'Apple', 'Music', '吧']
    """
    if text.isascii():
        return text.split()
    tokens: list[str] = []
    for run in _RUN.finditer(text):
        # Runs, not single characters, are looked for: half of the time.
        tokens += run[0] if run[1] else [run[0]]
    return tokens
