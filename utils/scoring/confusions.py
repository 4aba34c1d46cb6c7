"""Which tokens are taken for which, left out, or added."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

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


def count_confusions(score: Score, most: int | None = None) -> Confusions:
    """Count a score's confusions along one shortest alignment of each utterance.

    Args:
        score: The score.
        most: Look at so many of the wrong utterances at most, evenly spread over the set.
    """
    tokenize = tokenizer_of(score.metric)
    found = Confusions()
    vocabulary = Vocabulary()
    wrong = np.flatnonzero(score.errors)
    if most is not None and len(wrong) > most:
        wrong = wrong[np.linspace(0, len(wrong) - 1, most).astype(int)]
    for place in wrong:
        said, heard = tokenize(score.references[place]), tokenize(score.hypotheses[place])
        for kind, i, j in operations(vocabulary.write(said), vocabulary.write(heard)):
            if kind == "replace":
                found.substitutions[said[i], heard[j]] += 1
            elif kind == "delete":
                found.deletions[said[i]] += 1
            else:
                found.insertions[heard[j]] += 1
    return found
