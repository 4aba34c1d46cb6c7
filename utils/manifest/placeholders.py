"""Texts that say that there is none: what tables and tools write in place of a transcript."""

from __future__ import annotations

import re

_WORDS = frozenset(
    {
        *(
            "na",
            "n/a",
            "n.a.",
            "nan",
            "none",
            "null",
            "nil",
            "undefined",
            "#n/a",
            "#name?",
            "#ref!",
        ),
        *("todo", "tbd", "xxx", "empty", "blank", "missing", "no text", "no transcript", "-nan"),
        *("unk", "unknown", "silence", "noise", "inaudible", "unintelligible", "sil", "spn", "nsn"),
        *("空", "无", "無", "噪音", "静音"),
    }
)
# One of these words may be said; in brackets it is not.
_MAY_BE_SAID = frozenset(
    {"none", "missing", "empty", "blank", "unknown", "silence", "noise", "inaudible", "null", "nil"}
    | {"空", "无", "無", "噪音", "静音", "sil", "xxx", "na", "undefined", "unintelligible"}
)
_BRACKETS = re.compile(r"^[\[<({【（]\s*[^\[\]<>(){}【】（）]{1,40}\s*[\]>)}】）]$")


def is_placeholder(text: str) -> bool:
    """Whether a whole text stands for a missing one: "NA", "-", "[noise]".

    >>> [is_placeholder(text) for text in ("NA", "-", "[noise]", "None", "none of them")]
    [True, True, True, True, False]
    """
    plain = text.strip()
    if plain and not any(letter.isalnum() for letter in plain):
        return True
    if _BRACKETS.match(plain):
        return True
    word = plain.lower()
    # In lower case some of these are words that a person may say.
    return word in _WORDS and (word not in _MAY_BE_SAID or plain != word)
