"""Keywords (names, drugs, products): how many of those spoken are written, and the other way.

A keyword is a phrase of whole words; in scripts without spaces, of whole characters. In each
utterance as many are recognised as stand on both sides. Recall is their share of those in the
references, precision of those in the hypotheses, F1 the harmonic mean. N utterances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import regex
from numpy.typing import NDArray

from utils.cli.errors import UserError
from utils.scoring.normalizers import normalizer
from utils.scoring.normalizers.steps import HAN
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score
from utils.scoring.secondary.figure import Figure, ratio

_SCRIPTS = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_TOKEN = regex.compile(rf"{HAN}|[{_SCRIPTS}]\p{{M}}*|[^\s{HAN[1:-1]}{_SCRIPTS}]+")
MOST_NAMED = 5
_Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Keywords:
    """How often keywords stand in references and hypotheses.

    Attributes:
        spoken: int64 `(N,)`, in each reference.
        written: int64 `(N,)`, in each hypothesis.
        found: int64 `(N,)`, on both sides.
        missed: Keyword -> times that it was spoken and not recognised.
        absent: Keywords that no reference holds.
    """

    spoken: NDArray[np.int64]
    written: NDArray[np.int64]
    found: NDArray[np.int64]
    missed: Counter[str] = field(default_factory=Counter)
    absent: tuple[str, ...] = ()


def keyword_tokens(text: str) -> _Phrase:
    """Return the words of a text; each character where the script has no spaces.

    Example:
        >>> keyword_tokens("打开 apple music吧")
        ('打', '开', 'apple', 'music', '吧')
    """
    return tuple(_TOKEN.findall(text))


def count_keywords(
    score: Score, keywords: Sequence[str], normalizer_of: Callable[[Prediction], str]
) -> Keywords:
    """Count keywords in normalised texts; they are normalised like each utterance.

    Args:
        score: Whose utterances these are.
        keywords: As a person wrote them.
        normalizer_of: Names the normalizer of an utterance.

    Raises:
        UserError: Nothing is left of any keyword when it is normalised.
    """
    lists: dict[str, dict[_Phrase, str]] = {}
    rows, missed, held = [], Counter[str](), set[str]()
    for place, prediction in enumerate(score.predictions):
        name = normalizer_of(prediction)
        if name not in lists:
            lists[name] = _phrases(keywords, name)
        phrases = lists[name]
        lengths = sorted({len(phrase) for phrase in phrases})
        spoken, written = (
            _occurrences(keyword_tokens(text), phrases, lengths)
            for text in (score.references[place], score.hypotheses[place])
        )
        both = spoken & written
        missed.update({phrases[phrase]: n for phrase, n in (spoken - both).items()})
        held.update(phrases[phrase] for phrase in spoken)
        rows.append((spoken.total(), written.total(), both.total()))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    absent = tuple(word for word in keywords if word not in held)
    return Keywords(table[:, 0], table[:, 1], table[:, 2], missed, absent)


def keyword_figures(score: Score, counts: Keywords, seed: int) -> dict[str, Figure]:
    """Return recall, precision and F1 with their intervals."""
    spoken, written, found = counts.spoken, counts.written, counts.found
    worst = [f"{word} ({times})" for word, times in counts.missed.most_common(MOST_NAMED)]
    notes = [f"keywords missed most: {', '.join(worst)}"] if worst else []
    if counts.absent:
        named = ", ".join(counts.absent[:MOST_NAMED])
        more = ", ..." if len(counts.absent) > MOST_NAMED else ""
        notes.append(f"keywords in no reference ({len(counts.absent)}): {named}{more}")
    note = "; ".join(notes)
    recall = ratio(score, spoken - found, spoken, seed=seed, right=True, note=note)
    precision = ratio(score, written - found, written, seed=seed, right=True)
    # F1 is 2 found / (spoken + written).
    both = spoken + written
    f1 = ratio(score, both - 2 * found, both, seed=seed, right=True)
    return {"keyword_recall": recall, "keyword_precision": precision, "keyword_f1": f1}


def _phrases(keywords: Iterable[str], name: str) -> dict[_Phrase, str]:
    """Return the tokens of each keyword as a normalizer writes it, with the keyword."""
    normalize = normalizer(name)
    phrases: dict[_Phrase, str] = {}
    for word in keywords:
        phrases.setdefault(keyword_tokens(normalize(word)), word)
    phrases.pop((), None)
    if not phrases:
        raise UserError(
            f"nothing is left of any keyword under the normalizer {name}",
            "Write words, not punctuation.",
        )
    return phrases


def _occurrences(
    tokens: _Phrase, phrases: dict[_Phrase, str], lengths: Sequence[int]
) -> Counter[_Phrase]:
    """Count phrases in tokens; occurrences of one phrase do not overlap."""
    found: Counter[_Phrase] = Counter()
    for length in lengths:
        ends: dict[_Phrase, int] = {}
        for begin in range(len(tokens) - length + 1):
            phrase = tokens[begin : begin + length]
            if phrase in phrases and begin >= ends.get(phrase, 0):
                found[phrase] += 1
                ends[phrase] = begin + length
    return found
