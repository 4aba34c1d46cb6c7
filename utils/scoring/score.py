"""Predictions to corpus scores: errors are summed over all utterances and divided once.

- An utterance with an empty reference counts: tokens hallucinated in silence are insertions.
- A failed or missing utterance stays in the denominator: its reference tokens count as deleted.
- Every count is made twice, of the normalised and of the raw text.

Counts stand in arrays, a row for each utterance, so that a million of them are scored in seconds.
N utterances.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.scoring.conventions.conventions import Conventions
from utils.scoring.counts import ErrorCounts
from utils.scoring.edits import Vocabulary, align, count_errors, count_operations
from utils.scoring.metrics.ser import sentence_errors
from utils.scoring.normalizers import Step, normalizer, resolve_name
from utils.scoring.predictions import Prediction, from_columns, to_columns
from utils.scoring.tokens import tokenizer_of

__all__ = ["Score", "UtteranceScore", "align", "count_errors", "score_predictions"]

NormalizerChoice = str | Callable[[Prediction], str]
"""A normalizer's name, or a function that names one for each prediction."""

Table = NDArray[np.int64]
"""int64 `(N, 4)`: substitutions, deletions, insertions, reference tokens of each utterance."""

COLUMNS = 4
# Code points end at 1.1 million; no utterance has as many different tokens as are left.
_MOST_TOKENS = 1_000_000
SENTENCES = "ser"
AUTO_BLOCKS = "auto"


@dataclass(frozen=True, slots=True)
class UtteranceScore:
    """One utterance's part in a score; the texts are normalised."""

    id: str
    reference: str
    hypothesis: str
    counts: ErrorCounts
    raw: ErrorCounts
    speaker: str | None = None


@dataclass(frozen=True, eq=False)
class Score:
    """One model's errors on one test set."""

    metric: str
    normalizer: str
    """`name@version`; several joined by "+" where the utterances' languages call for it."""
    predictions: tuple[Prediction, ...]
    """As they came; where conventions chose among alternatives, with what they chose."""
    references: tuple[str, ...]
    """Normalised, in the order of the predictions."""
    hypotheses: tuple[str, ...]
    normal: Table
    """Errors in the normalised text."""
    as_written: Table
    """Errors in the text as it came."""
    blocks: str = AUTO_BLOCKS
    """What its interval is over: "speaker", "recording", "utterance", or what is known."""

    @cached_property
    def errors(self) -> NDArray[np.int64]:
        """Errors of each utterance in the normalised text: int64 `(N,)`."""
        return np.asarray(self.normal[:, :3].sum(axis=1))

    @property
    def tokens(self) -> NDArray[np.int64]:
        """Reference tokens of each utterance: int64 `(N,)`."""
        return self.normal[:, 3]

    @cached_property
    def counts(self) -> ErrorCounts:
        """Errors in the normalised text."""
        return self._sum(self.normal)

    @cached_property
    def raw(self) -> ErrorCounts:
        """Errors in the text as it came."""
        return self._sum(self.as_written)

    @property
    def rate(self) -> float | None:
        """Corpus rate of the normalised text; None where no reference has a token."""
        return self.counts.rate

    @cached_property
    def no_speech(self) -> ErrorCounts:
        """Errors where there is no speech: utterances whose reference has no token."""
        return self._sum(self.normal, self.tokens == 0)

    @cached_property
    def mean_utterance_rate(self) -> float | None:
        """Mean of the utterances' own rates. It is not the corpus rate: short lines dominate it."""
        spoken = self.tokens > 0
        if not spoken.any():
            return None
        return float((self.errors[spoken] / self.tokens[spoken]).mean())

    @cached_property
    def sentences(self) -> Score:
        """The same utterances with each one sentence, right or wrong: the sentence error rate."""
        wrong = sentence_errors(self.errors, self._has_status("failed", "missing"))
        table = np.zeros_like(self.normal)
        table[:, 0], table[:, 3] = wrong, 1
        return replace(self, metric=SENTENCES, normal=table, as_written=table)

    @cached_property
    def utterances(self) -> tuple[UtteranceScore, ...]:
        """Each utterance by itself, in the given order."""
        return tuple(map(self.utterance, range(len(self.predictions))))

    def utterance(self, index: int) -> UtteranceScore:
        """Return the utterance at a place."""
        prediction = self.predictions[index]
        failed = int(prediction.status == "failed")
        missing = int(prediction.status == "missing")
        counts, raw = (
            _counts(table[index], 1, failed, missing) for table in (self.normal, self.as_written)
        )
        return UtteranceScore(
            prediction.id,
            self.references[index],
            self.hypotheses[index],
            counts,
            raw,
            prediction.speaker,
        )

    def where(self, chosen: Sequence[bool] | NDArray[np.bool_]) -> Score:
        """Return the score of some of the utterances.

        Args:
            chosen: Whether each utterance is one of them, N values.
        """
        return self.take(np.flatnonzero(np.asarray(chosen, dtype=bool)).tolist())

    def take(self, places: Sequence[int]) -> Score:
        """Return the score of the utterances at these places, in this order."""
        return replace(
            self,
            predictions=tuple(self.predictions[i] for i in places),
            references=tuple(self.references[i] for i in places),
            hypotheses=tuple(self.hypotheses[i] for i in places),
            normal=self.normal[list(places)],
            as_written=self.as_written[list(places)],
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Processes exchange a dozen lists many times faster than a hundred thousand objects.
        columns = to_columns(self.predictions)
        rest = (self.references, self.hypotheses, self.normal, self.as_written, self.blocks)
        return _from_columns, (self.metric, self.normalizer, columns, *rest)

    def _has_status(self, *statuses: str) -> NDArray[np.bool_]:
        return np.array([each.status in statuses for each in self.predictions], dtype=bool)

    def _sum(self, table: Table, chosen: NDArray[np.bool_] | None = None) -> ErrorCounts:
        """Add the rows of a table, those where `chosen` is true."""
        everything = np.ones(len(table), dtype=bool)
        chosen = everything if chosen is None else chosen
        return _counts(
            table[chosen].sum(axis=0),
            int(chosen.sum()),
            int((self._has_status("failed") & chosen).sum()),
            int((self._has_status("missing") & chosen).sum()),
        )


class References:
    """References, normalised and split into tokens once for all models of a test set."""

    def __init__(self, metric: str, *, remember: bool = True) -> None:
        self.tokenize = tokenizer_of(metric)
        self.remember = remember
        self.normalizers: dict[str, Step] = {}
        self._vocabulary = Vocabulary()
        self._known: dict[tuple[str, str], tuple[str, str]] = {}

    def normalize(self, text: str, name: str) -> str:
        """Return a text normalised by the normalizer of a full name."""
        if name not in self.normalizers:
            self.normalizers[name] = normalizer(name)
        return self.normalizers[name](text)

    def read(self, reference: str, name: str) -> tuple[str, str]:
        """Return a reference normalised, and its tokens as one code point each."""
        known = self._known.get((name, reference))
        if known is None:
            if len(self._vocabulary) > _MOST_TOKENS:
                self._vocabulary.clear()
                self._known.clear()
            text = self.normalize(reference, name)
            known = text, self.write(text)
            if self.remember:
                self._known[name, reference] = known
        return known

    def write(self, text: str) -> str:
        """Return the tokens of a text as one code point each, the same ones as in `read`."""
        tokens = self.tokenize(text)
        return tokens if isinstance(tokens, str) else self._vocabulary.write(tokens)


def score_predictions(
    predictions: Iterable[Prediction],
    metric: str,
    normalizer_choice: NormalizerChoice,
    *,
    raw: bool = True,
    references: References | None = None,
    conventions: Conventions | None = None,
) -> Score:
    """Count the errors of one model on one test set.

    Args:
        predictions: One per utterance.
        metric: A key of `metrics.METRICS`.
        normalizer_choice: See `NormalizerChoice`.
        raw: Whether the text as it came is counted too; without it, that table holds the same
            as the other.
        references: Of this metric; given to the scores of several models on one test set, they
            are normalised only once.
        conventions: Alternatives, GLM rules, joined compounds; the name of the normalizer says so.

    Returns:
        The score, with its utterances in the given order.

    Raises:
        UserError: There is no such metric or normalizer, or the braces of a reference do not pair.
    """
    settled: list[Prediction] = []
    rules = conventions or Conventions()
    texts = references or References(metric, remember=False)
    names = {resolve_name(normalizer_choice)} if isinstance(normalizer_choice, str) else set()
    # Flat arrays of numbers, not a million small objects: those would cost more than the edits.
    normal, as_written = array("q"), array("q")
    normal_references, normal_hypotheses = [], []
    for prediction in predictions:
        name = _normalizer_name(prediction, normalizer_choice)
        names.add(name)
        raw_reference = prediction.reference
        raw_hypothesis = prediction.hypothesis if prediction.status == "ok" else ""
        if rules.chooses:
            apply = partial(texts.normalize, name=name)
            raw_reference, raw_hypothesis = rules.settle(raw_reference, raw_hypothesis, apply)
            prediction = replace(prediction, reference=raw_reference, hypothesis=raw_hypothesis)
        settled.append(prediction)
        reference, tokens = texts.read(raw_reference, name)
        is_same = raw_hypothesis == raw_reference
        hypothesis = reference if is_same else texts.normalize(raw_hypothesis, name)
        hypothesis = rules.merged(reference, hypothesis)
        hypothesis_tokens = tokens if hypothesis == reference else texts.write(hypothesis)
        counted = (*count_operations(tokens, hypothesis_tokens), len(tokens))
        normal.extend(counted)
        if raw and (reference != raw_reference or hypothesis != raw_hypothesis):
            tokens = texts.write(raw_reference)
            counted = (*count_operations(tokens, texts.write(raw_hypothesis)), len(tokens))
        as_written.extend(counted)
        normal_references.append(reference)
        normal_hypotheses.append(hypothesis)
    tables = [np.array(each, dtype=np.int64).reshape(-1, COLUMNS) for each in (normal, as_written)]
    return Score(
        metric,
        "+".join(name + rules.suffix for name in sorted(names)),
        tuple(settled),
        tuple(normal_references),
        tuple(normal_hypotheses),
        normal=tables[0],
        as_written=tables[1],
    )


def _from_columns(metric: str, name: str, columns: list[list[Any]], *rest: Any) -> Score:
    return Score(metric, name, tuple(from_columns(columns)), *rest)


def _counts(row: NDArray[np.int64], utterances: int, failed: int, missing: int) -> ErrorCounts:
    """Return a row of a table, or the sum of some, as a value."""
    substitutions, deletions, insertions, tokens = row.tolist()
    return ErrorCounts(substitutions, deletions, insertions, tokens, utterances, failed, missing)


def _normalizer_name(prediction: Prediction, choice: NormalizerChoice) -> str:
    return resolve_name(choice if isinstance(choice, str) else choice(prediction))
