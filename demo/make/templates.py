"""Sentences from templates: `{slot}` in a template is filled from a list of words.

A grammar is a list of templates and a plain dict of word lists: a new domain is one more of them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SLOT = re.compile(r"\{(\w+)\}")


def listed(text: str) -> list[str]:
    """Return the words of a text, separated by `|` if there is one, else by white space."""
    return text.split("|") if "|" in text else text.split()


@dataclass(frozen=True)
class Grammar:
    """Templates and the words that fill their slots."""

    templates: Sequence[str]
    words: Mapping[str, Sequence[str]]

    def sentence(self, rng: random.Random) -> str:
        """Return one sentence; a slot's words may hold slots themselves.

        Raises:
            KeyError: a template names a slot that `words` lacks.
        """
        text = rng.choice(self.templates)
        while match := _SLOT.search(text):
            filling = rng.choice(self.words[match.group(1)])
            text = text[: match.start()] + filling + text[match.end() :]
        return text

    def vocabulary(self) -> set[str]:
        """Return every literal piece of text that a sentence can hold, slots taken out."""
        pieces = [*self.templates, *(w for words in self.words.values() for w in words)]
        return {part for text in pieces for part in _SLOT.split(text)[::2] if part}


def distinct_sentences(
    grammar: Grammar, count: int, rng: random.Random, taken: set[str] | None = None
) -> list[str]:
    """Return `count` sentences, none twice and none of `taken`; `taken` grows by them.

    Raises:
        ValueError: the grammar yields too few different sentences.
    """
    seen = set() if taken is None else taken
    found: list[str] = []
    for _ in range(200 * count):
        if len(found) == count:
            return found
        text = grammar.sentence(rng)
        if text not in seen:
            seen.add(text)
            found.append(text)
    if len(found) == count:
        return found
    raise ValueError(f"the grammar yielded {len(found)} new sentences, expected {count}; add words")
