"""Which tokens are substituted by which, deleted, or inserted."""

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
    """(reference token, hypothesis token) -> times."""
    deletions: Counter[str] = field(default_factory=Counter)
    insertions: Counter[str] = field(default_factory=Counter)
    reference_counts: Counter[str] = field(default_factory=Counter)
    """How often each token stands in the references of the utterances that were looked at."""

    @cached_property
    def missed(self) -> Counter[str]:
        """How often each token of the references was substituted or deleted."""
        missed = self.deletions.copy()
        for (reference, _), times in self.substitutions.items():
            missed[reference] += times
        return missed

    def accuracy(self, token: str) -> float | None:
        """Share of a token's occurrences that were recognised; None where no reference has it."""
        times = self.reference_counts[token]
        return 1 - self.missed[token] / times if times else None


def count_confusions(score: Score, most: int | None = None) -> Confusions:
    """Count a score's confusions along one shortest alignment of each utterance.

    Args:
        score: The score.
        most: Look at about so many utterances with errors at most, which are the same share of all
            utterances, evenly spread over the set.
    """
    tokenize = tokenizer_of(score.metric)
    found = Confusions()
    vocabulary = Vocabulary()
    number, wrong = len(score.predictions), np.count_nonzero(score.errors)
    looked_at = number if most is None or wrong <= most else max(1, number * most // wrong)
    for place in np.linspace(0, number - 1, looked_at).astype(int).tolist():
        reference = tokenize(score.references[place])
        found.reference_counts.update(reference)
        if not score.errors[place]:
            continue
        hypothesis = tokenize(score.hypotheses[place])
        for kind, i, j in operations(vocabulary.write(reference), vocabulary.write(hypothesis)):
            if kind == "replace":
                found.substitutions[reference[i], hypothesis[j]] += 1
            elif kind == "delete":
                found.deletions[reference[i]] += 1
            else:
                found.insertions[hypothesis[j]] += 1
    return found
