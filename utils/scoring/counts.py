"""Error counts as values: they are added, and divided only at the end."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Edit operations that turn references into hypotheses, summed over utterances.

    Example:
        >>> whole = ErrorCounts(1, 0, 1, reference_tokens=8, utterances=1) + ErrorCounts(
        ...     0, 0, 0, reference_tokens=2, utterances=1
        ... )
        >>> whole.errors, whole.rate
        (2, 0.2)
        >>> ErrorCounts(insertions=3, utterances=1).rate is None
        True
    """

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference_tokens: int = 0
    utterances: int = 0
    failed: int = 0
    """Utterances that could not be transcribed; all their reference tokens count as deleted."""
    missing: int = 0
    """Utterances of the test set without a prediction; they count as deleted as well."""

    def __post_init__(self) -> None:
        negative = [f.name for f in fields(self) if getattr(self, f.name) < 0]
        if negative:
            raise ValueError(f"negative counts: {', '.join(negative)} in {self}")
        if self.substitutions + self.deletions > self.reference_tokens:
            raise ValueError(
                f"{self.substitutions} substitutions and {self.deletions} deletions "
                f"need as many reference tokens, got {self.reference_tokens}"
            )
        if self.failed + self.missing > self.utterances:
            raise ValueError(
                f"{self.failed} failed and {self.missing} missing "
                f"of only {self.utterances} utterances"
            )

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors per reference token; None where there is no reference token to divide by.

        The errors of an empty reference are not lost: they stand in `insertions`, and count
        as soon as these counts are added to others.
        """
        return self.errors / self.reference_tokens if self.reference_tokens else None

    @property
    def rank(self) -> float:
        """What chooses between models on one set; less is better.

        The rate; where no reference has a token, the hallucinated tokens of an utterance; 0 where
        there is no utterance.
        """
        return self.errors / (self.reference_tokens or self.utterances or 1)

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        if not isinstance(other, ErrorCounts):
            return NotImplemented
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.reference_tokens + other.reference_tokens,
            self.utterances + other.utterances,
            self.failed + other.failed,
            self.missing + other.missing,
        )
