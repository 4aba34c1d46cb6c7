"""Which tokens are taken for which, left out, or added."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from utils.scoring.edits import Vocabulary, operations
from utils.scoring.score import Score
from utils.scoring.tokens import tokenizer_of


@dataclass(frozen=True)
class Confusions:
    """How often each token went wrong, and how."""

    substitutions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(said, heard) -> times."""
    deletions: Counter[str] = field(default_factory=Counter)
    insertions: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    """How often each token was said, in the utterances that were looked at."""

    @cached_property
    def missed(self) -> Counter[str]:
        """How often each token was said and not heard: taken for another, or left out."""
        missed = self.deletions.copy()
        for (said, _), times in self.substitutions.items():
            missed[said] += times
        return missed

    def accuracy(self, token: str) -> float | None:
        """Share of the times that a token was said in which it was heard; None if never said."""
        return 1 - self.missed[token] / self.said[token] if self.said[token] else None


def count_confusions(score: Score, most: int | None = None) -> Confusions:
    """Count a score's confusions along one shortest alignment of each utterance.

    Args:
        score: The score.
        most: Look at about so many wrong utterances at most: at the same share of all utterances,
            evenly spread over the set.
    """
    tokenize = tokenizer_of(score.metric)
    found = Confusions()
    vocabulary = Vocabulary()
    number, wrong = len(score.predictions), np.count_nonzero(score.errors)
    looked_at = number if most is None or wrong <= most else max(1, number * most // wrong)
    for place in np.linspace(0, number - 1, looked_at).astype(int).tolist():
        said = tokenize(score.references[place])
        found.said.update(said)
        if not score.errors[place]:
            continue
        heard = tokenize(score.hypotheses[place])
        for kind, i, j in operations(vocabulary.write(said), vocabulary.write(heard)):
            if kind == "replace":
                found.substitutions[said[i], heard[j]] += 1
            elif kind == "delete":
                found.deletions[said[i]] += 1
            else:
                found.insertions[heard[j]] += 1
    return found
