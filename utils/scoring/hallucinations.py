"""Hallucinations: the same words over and over, and words in silence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from utils.scoring.edits import Vocabulary, count_operations
from utils.scoring.score import Score
from utils.scoring.tokens import tokenizer_of

FEWEST_TIMES = 4
FEWEST_TOKENS = 6
LONGEST_PHRASE = 30
SHOWN_TOKENS = 6
# Tokens that a loop of at least so many repeats: five of the six in "ha ha ha ha ha ha".
FEWEST_REPEATED = 5
# The shortest phrase that stands there again and again.
_LOOP = re.compile(rf"(.{{1,{LONGEST_PHRASE}}}?)\1{{{FEWEST_TIMES - 1},}}", re.S)


@dataclass(frozen=True)
class Loop:
    """A phrase that a model repeats though the reference does not.

    Attributes:
        id: Of the utterance.
        phrase: Its tokens.
        times: It stands there one after another.
    """

    id: str
    phrase: tuple[str, ...]
    times: int


@dataclass(frozen=True)
class Silence:
    """What a model hallucinated where the reference is empty.

    Attributes:
        utterances: Without speech.
        hallucinated: Those of them with a hypothesis that is not empty.
        minutes: Their length together.
        characters: That it wrote, without spaces.
        phrases: What it wrote, and how often.
    """

    utterances: int
    hallucinated: int
    minutes: float
    characters: int
    phrases: Counter[str]

    @property
    def characters_a_minute(self) -> float | None:
        """Characters written for each minute without speech; None where there is no time."""
        return self.characters / self.minutes if self.minutes else None


def find_loop(tokens: Sequence[str]) -> tuple[tuple[str, ...], int] | None:
    """Return the first phrase that stands four times or more in a row, and how often.

    Example:
        >>> find_loop("so it goes on and on and on and on and on".split())
        (('on', 'and'), 4)
        >>> find_loop("no no no".split()) is None
        True
    """
    for found in _LOOP.finditer(_written(tokens)):
        if len(found[0]) >= FEWEST_TOKENS:
            size = len(found[1])
            return tuple(tokens[found.start() : found.start() + size]), len(found[0]) // size
    return None


def find_loops(score: Score) -> list[Loop]:
    """Return the loops of a model, most repeated first; a loop of the reference is none."""
    tokenize = tokenizer_of(score.metric)
    loops = []
    # A loop that nobody spoke is inserted, or stands for other words.
    for place in np.flatnonzero(score.errors >= FEWEST_TIMES - 1):
        hypothesis = tokenize(score.hypotheses[place])
        if len(hypothesis) - len(set(hypothesis)) < FEWEST_REPEATED:
            continue
        found = find_loop(hypothesis)
        if found and find_loop(tokenize(score.references[place])) is None:
            loops.append(Loop(score.predictions[place].id, *found))
    return sorted(loops, key=lambda loop: -loop.times * len(loop.phrase))


def without_loops(score: Score) -> tuple[NDArray[np.int64], list[Loop]]:
    """Count errors as if each phrase that a model repeats stood there once.

    Args:
        score: Of any metric.

    Returns:
        int64 `(N,)`, the errors of each utterance, and the loops that were taken out, the most
        repeated first.
    """
    loops = find_loops(score)
    errors = score.errors.copy()
    looping = {loop.id for loop in loops}
    tokenize = tokenizer_of(score.metric)
    for place, prediction in enumerate(score.predictions):
        if prediction.id in looping:
            once = once_each(tokenize(score.hypotheses[place]))
            errors[place] = sum(count_operations(tokenize(score.references[place]), once))
    return errors, loops


def once_each(tokens: Sequence[str]) -> list[str]:
    """Return tokens with each loop as a single time its phrase.

    Example:
        >>> once_each("it goes on and on and on and on and on".split())
        ['it', 'goes', 'on', 'and', 'on']
    """
    kept: list[str] = []
    end = 0
    for found in _LOOP.finditer(_written(tokens)):
        if len(found[0]) >= FEWEST_TOKENS:
            kept += tokens[end : found.start() + len(found[1])]
            end = found.end()
    return [*kept, *tokens[end:]]


def name_loops(loops: Sequence[Loop], metric: str, most: int = 3) -> str:
    """Return the first loops by name, with the phrase that each repeats and how often.

    Args:
        loops: Of `without_loops`.
        metric: Of the score; words stand apart, characters do not.
        most: How many are named.
    """
    between = " " if metric == "wer" else ""
    named = []
    for each in loops[:most]:
        phrase = between.join(each.phrase[:SHOWN_TOKENS])
        more = "..." if len(each.phrase) > SHOWN_TOKENS else ""
        named.append(f'{each.id} ("{phrase}{more}" {each.times} times)')
    rest = f" and {len(loops) - most} more" if len(loops) > most else ""
    return ", ".join(named) + rest


def describe_loops(score: Score, errors: NDArray[np.int64], loops: Sequence[Loop]) -> str:
    """Return one sentence that counts the loops, names the longest, and says what they cost.

    Args:
        score: Of a model on a test set.
        errors: Of `without_loops` on it.
        loops: Of `without_loops` on it; at least one.
    """
    count = "1 utterance loops" if len(loops) == 1 else f"{len(loops)} utterances loop"
    rates = ""
    if score.rate is not None:
        without = int(errors.sum()) / int(score.tokens.sum())
        rates = f"; {score.metric.upper()} {score.rate:.2%}, {without:.2%} with each phrase once"
    return f"{count}: {name_loops(loops, score.metric)}{rates}"


def hallucinated_in_silence(score: Score) -> Silence:
    """Return what a model hallucinated where the reference is empty."""
    places = np.flatnonzero(score.tokens == 0)
    texts = [score.hypotheses[place] for place in places]
    seconds = sum(score.predictions[place].audio_seconds for place in places)
    return Silence(
        utterances=len(places),
        hallucinated=sum(bool(text) for text in texts),
        minutes=seconds / 60,
        characters=sum(len("".join(text.split())) for text in texts),
        phrases=Counter(text for text in texts if text),
    )


def _written(tokens: Sequence[str]) -> str:
    return Vocabulary().write(tokens)
