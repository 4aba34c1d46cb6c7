"""What can be set about what a model learns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LearningSettings:
    """What the model is taught beside the text of its utterances."""

    add_tokens: str | None = None
    """Text file with tokens that the model is to have, one a line: words that it spells in pieces,
    or languages that it lacks, such as <|yue|>."""
