"""Character error rate: code points, without whitespace.

A combining mark that has no composed form (the vowel sign in हि) is a token of its own, as in
jiwer, ESPnet and wenet: a wrong vowel sign is one error, not a wrong syllable. jiwer also counts
the spaces; here a missing space is no error.
"""

from __future__ import annotations


def characters(text: str) -> str:
    """Return the text without its whitespace: each character is a token.

    Example:
        >>> characters("打开 wifi")
        '打开wifi'
    """
    return "".join(text.split())
