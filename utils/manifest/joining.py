"""Texts put together the way a person of the language writes them: with spaces or without."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

# Chinese needs no space between words: Han characters and the punctuation used with them.
HAN = re.compile(
    "[\u2e80-\u2fdf\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
# Nor do sentences in Japanese kana, Thai, Lao, Burmese, Khmer and Tibetan.
_OTHERS_WITHOUT_SPACES = re.compile(
    "[\u3040-\u30ff\u31f0-\u31ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u0f00-\u0fff]"
)


def join_chinese(text: str) -> str:
    """Remove the spaces between Chinese words and keep those between other words.

    >>> join_chinese("想 听 hip hop 歌曲")
    '想听hip hop歌曲'
    """
    words = text.split()
    joined = "".join(words[:1])
    for before, word in pairwise(words):
        touches_chinese = HAN.match(before[-1]) or HAN.match(word[0])
        joined += word if touches_chinese else f" {word}"
    return joined


def join_sentences(texts: Iterable[str]) -> str:
    """Put sentences one after another, with a space where their script has spaces.

    >>> join_sentences(["Good morning.", "How are you?"])
    'Good morning. How are you?'
    >>> join_sentences(["今天天气很好", "我们去公园吧"])
    '今天天气很好我们去公园吧'
    """
    joined = ""
    for text in texts:
        is_solid = not joined or (is_written_solid(joined[-1]) and is_written_solid(text[0]))
        joined += text if is_solid else f" {text}"
    return joined


def is_written_solid(character: str) -> bool:
    """Whether no space stands between words of this character's script."""
    return bool(HAN.match(character) or _OTHERS_WITHOUT_SPACES.match(character))
