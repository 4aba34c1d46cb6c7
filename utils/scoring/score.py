"""Predictions to corpus scores: errors are summed over all utterances and divided once.

- An utterance with an empty reference counts: what was heard in silence are insertions.
- A failed utterance stays in the denominator: all its reference tokens count as deleted.
- Every count is made twice, of the normalised and of the raw text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from rapidfuzz.distance import Levenshtein

from utils.scoring.counts import ErrorCounts
from utils.scoring.normalizers import Step, normalizer, resolve_name
from utils.scoring.predictions import Prediction
from utils.scoring.tokens import tokenizer_of

NormalizerChoice = str | Callable[[Prediction], str]
"""A normalizer's name, or a function that names one for each prediction."""


@dataclass(frozen=True, slots=True)
class UtteranceScore:
    """One utterance's part in a score; the texts are normalised."""

    id: str
    reference: str
    hypothesis: str
    counts: ErrorCounts
    raw: ErrorCounts
    speaker: str | None = None


@dataclass(frozen=True)
class Score:
    """One model's errors on one test set."""

    metric: str
    normalizer: str
    """`name@version`; several joined by "+" where the utterances' languages call for it."""
    utterances: tuple[UtteranceScore, ...]

    @cached_property
    def counts(self) -> ErrorCounts:
        """Errors in the normalised text."""
        return sum((u.counts for u in self.utterances), ErrorCounts())

    @cached_property
    def raw(self) -> ErrorCounts:
        """Errors in the text as it came."""
        return sum((u.raw for u in self.utterances), ErrorCounts())

    @property
    def rate(self) -> float | None:
        """Corpus rate of the normalised text; None where no reference has a token."""
        return self.counts.rate

    @cached_property
    def no_speech(self) -> ErrorCounts:
        """Errors where nothing was said: utterances whose reference has no token."""
        silent = (u.counts for u in self.utterances if not u.counts.reference_tokens)
        return sum(silent, ErrorCounts())

    @cached_property
    def mean_utterance_rate(self) -> float | None:
        """Mean of the utterances' own rates. It is not the corpus rate: short lines dominate it."""
        rates = [u.counts.rate for u in self.utterances if u.counts.rate is not None]
        return sum(rates) / len(rates) if rates else None


def score_predictions(
    predictions: Iterable[Prediction], metric: str, normalizer_choice: NormalizerChoice
) -> Score:
    """Count the errors of one model on one test set.

    Args:
        predictions: One per utterance.
        metric: A key of `tokens.METRICS`.
        normalizer_choice: See `NormalizerChoice`.

    Returns:
        The score, with its utterances in the given order.

    Raises:
        UserError: There is no such metric or normalizer.
    """
    tokenize = tokenizer_of(metric)
    normalizers: dict[str, Step] = {}
    if isinstance(normalizer_choice, str):
        normalizers[resolve_name(normalizer_choice)] = normalizer(normalizer_choice)
    utterances = []
    for prediction in predictions:
        name = normalizer_choice
        if not isinstance(name, str):
            name = name(prediction)
        name = resolve_name(name)
        if name not in normalizers:
            normalizers[name] = normalizer(name)
        utterances.append(_score_utterance(prediction, tokenize, normalizers[name]))
    return Score(metric, "+".join(sorted(normalizers)), tuple(utterances))


def count_errors(
    reference: Sequence[str], hypothesis: Sequence[str], *, failed: bool = False
) -> ErrorCounts:
    """Count the edit operations of one utterance along one shortest alignment.

    Their total is unique; how it splits into the three kinds need not be.

    Args:
        reference: Tokens that were said: characters of a text, or a list of words.
        hypothesis: Tokens that were heard.
        failed: Whether the utterance could not be transcribed; the hypothesis is then empty.

    Example:
        >>> count_errors("abcd", "axd").errors
        2
    """
    said, heard = _interned(reference, hypothesis)
    substitutions = deletions = insertions = 0
    if said != heard:
        for operation in Levenshtein.editops(said, heard):
            if operation.tag == "replace":
                substitutions += 1
            elif operation.tag == "delete":
                deletions += 1
            else:
                insertions += 1
    return ErrorCounts(substitutions, deletions, insertions, len(said), 1, int(failed))


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str, str]]:
    """Pair the tokens along one shortest alignment.

    Returns:
        (said, heard) pairs in order; "" stands where a token was inserted or deleted.

    Example:
        >>> align("abd", "axbd")
        [('a', 'a'), ('', 'x'), ('b', 'b'), ('d', 'd')]
    """
    pairs: list[tuple[str, str]] = []
    for block in Levenshtein.opcodes(*_interned(reference, hypothesis)):
        said = reference[block.src_start : block.src_end]
        heard = hypothesis[block.dest_start : block.dest_end]
        pairs += zip_longest(said, heard, fillvalue="")
    return pairs


def _score_utterance(
    prediction: Prediction, tokenize: Callable[[str], Sequence[str]], normalize: Step
) -> UtteranceScore:
    failed = prediction.status == "failed"
    said, heard = prediction.reference, "" if failed else prediction.hypothesis
    reference, hypothesis = normalize(said), normalize(heard)
    return UtteranceScore(
        id=prediction.id,
        reference=reference,
        hypothesis=hypothesis,
        counts=count_errors(tokenize(reference), tokenize(hypothesis), failed=failed),
        raw=count_errors(tokenize(said), tokenize(heard), failed=failed),
        speaker=prediction.speaker,
    )


def _interned(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[str, str]:
    """Write each different token as one code point: texts are compared many times faster.

    Characters of a text are code points already.
    """
    if isinstance(reference, str) and isinstance(hypothesis, str):
        return reference, hypothesis
    numbers: dict[str, int] = {}
    said = "".join(chr(numbers.setdefault(token, len(numbers))) for token in reference)
    heard = "".join(chr(numbers.setdefault(token, len(numbers))) for token in hypothesis)
    return said, heard
