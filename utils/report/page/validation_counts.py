"""The alphabet and the vocabulary of manifests, counted for the page."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import islice
from typing import Any

from utils.scoring.tokens import tokenizer_of
from utils.validation.diagnosis import LineRecords

# Counting is a few microseconds a line; more lines change the order of rare words only.
MOST_LINES = 200_000
MOST_WORDS = 100
MOST_CHARACTERS = 500


def count_texts(lines: LineRecords) -> list[dict[str, Any]]:
    """Return for each manifest its words and characters with their counts, the most frequent first.

    Words are Han characters and what stands between spaces, as MER counts them, in lower case.

    Args:
        lines: Of all manifests.

    Returns:
        {"manifest", "counted", "words", "characters", "different_words",
        "different_characters"} for each; words are [word, count], characters [character, name,
        count].
    """
    return [
        {"manifest": str(manifest.path), **_counted(lines, number)}
        for number, manifest in enumerate(lines.manifests)
    ]


def _counted(lines: LineRecords, number: int) -> dict[str, Any]:
    words: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    tokenize = tokenizer_of("mer")
    counted = 0
    for utterance in islice(iter(lines.manifests[number]), MOST_LINES):
        words.update(map(_bare, tokenize(utterance.sentence.lower())))
        characters.update(utterance.sentence)
        counted += 1
    words.pop("", None)
    return {
        "counted": counted,
        "words": [list(each) for each in _first(words, MOST_WORDS)],
        "characters": [
            [sign, unicodedata.name(sign, f"U+{ord(sign):04X}").lower(), count]
            for sign, count in _first(characters, MOST_CHARACTERS)
        ],
        "different_words": len(words),
        "different_characters": len(characters),
    }


def _first(counts: Counter[str], most: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:most]


def _bare(word: str) -> str:
    """Return a word without the punctuation around it."""
    start, end = 0, len(word)
    while start < end and unicodedata.category(word[start])[0] in "PSZC":
        start += 1
    while end > start and unicodedata.category(word[end - 1])[0] in "PSZC":
        end -= 1
    return word[start:end]
