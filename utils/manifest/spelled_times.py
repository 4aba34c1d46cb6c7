"""Texts in which Whisper's timestamps are spelled out, as other programs' labels have them."""

from __future__ import annotations

import re

from utils.audio.clip import TimedSentence

_TIME = r"<\|(\d{1,2}\.\d\d)\|>"
_SENTENCE = re.compile(rf"\s*{_TIME}((?:(?!<\|).)*?){_TIME}", re.DOTALL)
_PROMPT = re.compile(r"^\s*(?:<\|[a-z]+\|>\s*)*")


def spelled_times(text: str) -> tuple[TimedSentence, ...] | None:
    """Read `<|0.00|> good morning<|1.20|>` as sentences; None where a text is not all like that.

    >>> [each.text for each in spelled_times("<|0.00|> good<|0.50|><|0.50|> morning<|1.20|>") or ()]
    ['good', 'morning']
    """
    if "<|" not in text:
        return None
    body = _PROMPT.sub("", text).removesuffix("<|endoftext|>").rstrip()
    place = 0
    sentences: list[TimedSentence] = []
    while place < len(body):
        found = _SENTENCE.match(body, place)
        if found is None:
            return None
        start, end, text_between = float(found[1]), float(found[3]), " ".join(found[2].split())
        if end < start or (sentences and start < sentences[-1].end):
            return None
        if text_between:
            sentences.append(TimedSentence(start, end, text_between))
        place = found.end()
    return tuple(sentences) or None
