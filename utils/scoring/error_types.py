"""What kind of error each error is: number format, same sound, loop, hallucinated, and so on.

The errors of an utterance stand in regions, which equal tokens separate. A region has one type; all
its errors count for that type, so that the types of a score add up to its errors.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from rapidfuzz.distance import Levenshtein

from utils.manifest.scripts import script_of
from utils.scoring.hallucinations import Loop
from utils.scoring.homophones import sound_relation
from utils.scoring.normalizers.chinese import to_simplified
from utils.scoring.normalizers.number_format import numbers_as_digits
from utils.scoring.normalizers.steps import remove_punctuation
from utils.scoring.score import Score, align
from utils.scoring.tokens import tokenizer_of

SILENCE = "hallucinated on silence"
LOOP = "repetition loop"
LANGUAGE = "another language"
FAILED = "failed or missing"
NUMBERS = "number format"
SCRIPT = "traditional or simplified"
CASE = "punctuation or case"
SPACES = "joined or separated words"
HOMOPHONES = "same or similar sound"
NAMES = "names and other capitalised words"
SPELLING = "one or two letters"
WORDS = "other words"
MISSED = "missed words"
ADDED = "added words"

# Long phrases say nothing in a table.
LONGEST_EXAMPLE = 40
# Of a word of three letters one may differ, of a longer one two.
_LETTERS_A_DIFFERENCE = 3

Region = tuple[tuple[str, ...], tuple[str, ...]]
"""Tokens of the reference and of the hypothesis between two that are equal."""


@dataclass
class ErrorType:
    """The errors of one type.

    Attributes:
        errors: How many.
        places: Of the utterances in which they stand.
        examples: (reference, hypothesis) as text -> how often.
    """

    errors: int = 0
    places: list[int] = field(default_factory=list)
    examples: Counter[tuple[str, str]] = field(default_factory=Counter)


def count_error_types(
    score: Score, loops: Sequence[Loop], *, most: int | None = None
) -> dict[str, ErrorType]:
    """Count the errors of a score by their type.

    Args:
        score: One model on one test set.
        loops: What it repeats, from `find_loops`.
        most: Look at about so many utterances with errors at most, evenly spread over the set.

    Returns:
        Type -> its errors, the commonest first. With `most=None` the errors add up to those of the
        score.
    """
    wrong = np.flatnonzero(score.errors)
    if most is not None and len(wrong) > most:
        wrong = wrong[np.linspace(0, len(wrong) - 1, most).astype(int)]
    looped = {loop.id for loop in loops}
    joint = " " if score.metric != "cer" else ""
    found: dict[str, ErrorType] = {}
    for place in wrong.tolist():
        is_looped = score.predictions[place].id in looped
        for name, region in _typed(score, place, is_looped):
            kind = found.setdefault(name, ErrorType())
            kind.errors += max(map(len, region))
            if kind.places[-1:] != [place]:
                kind.places.append(place)
            texts = tuple(joint.join(side) for side in region)
            if max(map(len, texts)) <= LONGEST_EXAMPLE:
                kind.examples[texts[0], texts[1]] += 1
    return dict(sorted(found.items(), key=lambda each: -each[1].errors))


def _typed(score: Score, place: int, is_looped: bool) -> Iterator[tuple[str, Region]]:
    """Yield the regions of an utterance, each with its type."""
    tokenize = tokenizer_of(score.metric)
    line = score.predictions[place]
    reference, hypothesis = score.references[place], score.hypotheses[place]
    regions = list(regions_of(tokenize(reference), tokenize(hypothesis)))
    of_all = _type_of_all(reference, hypothesis, line.status)
    if of_all:
        yield from ((of_all, region) for region in regions)
        return
    names = capitalised_words(line.reference)
    # A loop is what was inserted in the region with most insertions.
    longest = max(regions, key=lambda region: len(region[1]) - len(region[0]))
    for region in regions:
        is_loop = is_looped and region is longest
        yield LOOP if is_loop else type_of(region, score.metric, names), region


def _type_of_all(reference: str, hypothesis: str, status: str) -> str:
    """Return the type that all errors of an utterance share, "" where they do not."""
    if status != "ok":
        return FAILED
    if not reference:
        return SILENCE
    ours, theirs = script_of(reference), script_of(hypothesis)
    return LANGUAGE if ours and theirs and ours != theirs else ""


def regions_of(reference: Sequence[str], hypothesis: Sequence[str]) -> Iterator[Region]:
    """Yield the regions of errors along one shortest alignment.

    Example:
        >>> list(regions_of("abcd", "axcde"))
        [(('b',), ('x',)), ((), ('e',))]
    """
    pairs = align(reference, hypothesis)
    for is_right, run in groupby(pairs, lambda pair: pair[0] == pair[1]):
        if not is_right:
            ours, theirs = zip(*run, strict=True)
            yield tuple(filter(None, ours)), tuple(filter(None, theirs))


def type_of(region: Region, metric: str, names: Collection[str] = ()) -> str:
    """Return the type of a region.

    Args:
        region: Its tokens.
        metric: By which they were split.
        names: Words of the reference that are names, in lower case.

    Example:
        >>> type_of((tuple("二十"), tuple("20")), "cer"), type_of((("在",), ("再",)), "cer")
        ('number format', 'same or similar sound')
        >>> type_of((("ice", "cream"), ("icecream",)), "wer")
        'joined or separated words'
    """
    ours, theirs = region
    if not ours:
        return ADDED
    if not theirs:
        return NAMES if names and any(each.casefold() in names for each in ours) else MISSED
    joint = "" if metric == "cer" else " "
    for name, write in _FORMATS:
        if write(joint.join(ours)) == write(joint.join(theirs)):
            return name
    if _sound_alike(ours, theirs):
        return HOMOPHONES
    if names and any(each.casefold() in names for each in ours):
        return NAMES
    return SPELLING if metric != "cer" and _spelt_alike(ours, theirs) else WORDS


def capitalised_words(text: str) -> set[str]:
    """Return the words that are capitalised inside a sentence, in lower case: names, mostly.

    A text in capitals only, and the first word after a full stop, say nothing.

    Example:
        >>> sorted(capitalised_words("Then Doctor Smith left. He was in Berlin."))
        ['berlin', 'doctor', 'smith']
    """
    words = text.split()
    if not any(character.islower() for character in text):
        return set()
    inside = (
        word
        for before, word in zip([".", *words], words, strict=False)
        if before[-1:] not in ".!?:\u2026\u3002"
    )
    plain = (remove_punctuation(word).strip() for word in inside)
    return {word.casefold() for word in plain if word[:1].isupper() and word != "I"}


def _without_spaces(text: str) -> str:
    return "".join(text.split())


def _plain(text: str) -> str:
    return _without_spaces(remove_punctuation(unicodedata.normalize("NFKC", text)).casefold())


_FORMATS: tuple[tuple[str, Callable[[str], str]], ...] = (
    (SPACES, _without_spaces),
    (NUMBERS, numbers_as_digits),
    (SCRIPT, to_simplified),
    (CASE, _plain),
)
"""Types of errors that are none to a reader: both sides are equal when they are written alike."""


def _sound_alike(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether each Han character was taken for one that sounds the same or nearly so."""
    if len(ours) != len(theirs):
        return False
    return all(
        mine == other or sound_relation(mine, other)
        for mine, other in zip(ours, theirs, strict=True)
    )


def _spelt_alike(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether words differ by a letter or two: endings, spellings, misheard vowels."""
    mine, other = " ".join(ours), " ".join(theirs)
    most = min(2, max(1, len(mine) // _LETTERS_A_DIFFERENCE))
    return len(mine) > 2 and Levenshtein.distance(mine, other, score_cutoff=most) <= most
