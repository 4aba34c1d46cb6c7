"""Character error rate, without whitespace: by code points, or by grapheme clusters.

By code points (`cer`), a combining mark that has no composed form (the vowel sign in हि) is a token
of its own, as in jiwer, ESPnet and wenet: a wrong vowel sign is one error, not a wrong syllable.
jiwer also counts the spaces; here a missing space is no error.

By grapheme clusters (`cer@2`), what a reader calls one character is one token (Unicode Standard
Annex 29, extended grapheme clusters): हि, กำ, an Arabic letter with its short vowel, an emoji with
its colour. Scripts without joined signs are counted alike by both.
"""

from __future__ import annotations

import regex

_CLUSTER = regex.compile(r"\X")


def characters(text: str) -> str:
    """Return the text without its whitespace: each character is a token.

    Example:
        >>> characters("打开 wifi")
        '打开wifi'
    """
    return "".join(text.split())


def grapheme_clusters(text: str) -> list[str]:
    """Return the extended grapheme clusters of a text without its whitespace.

    Example:
        >>> grapheme_clusters("हिन्दी กำ")
        ['हि', 'न्दी', 'กำ']
    """
    together = "".join(text.split())
    return list(together) if together.isascii() else _CLUSTER.findall(together)
