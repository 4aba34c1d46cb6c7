"""What the metric modules share: texts in, corpus rate and counts out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions

CITATION = ""
INPUTS = """
Args:
    predictions: hypotheses, one for each utterance.
    references: reference texts, in the same order.
    normalizer: one of utils/scoring/normalizers, such as "chinese"; "none" takes the text as is.

Returns:
    The metric under its own name (None where no reference has a token), and the counts it was
    divided from.
"""


def corpus_rate(
    metric: str, predictions: Sequence[str], references: Sequence[str], normalizer: str
) -> dict[str, Any]:
    """Score texts that have no ids.

    Args:
        metric: "cer" or "wer"; also the key of the rate.
        predictions: One text for each utterance.
        references: As many.
        normalizer: A name of `NORMALIZERS`, with or without its version.

    Returns:
        The rate and its counts.
    """
    pairs = zip(predictions, references, strict=True)
    lines = [
        Prediction(str(i), reference, hypothesis) for i, (hypothesis, reference) in enumerate(pairs)
    ]
    score = score_predictions(lines, metric, normalizer)
    counts = score.counts
    return {
        metric: score.rate,
        "errors": counts.errors,
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
        "reference_tokens": counts.reference_tokens,
        "utterances": counts.utterances,
        "normalizer": score.normalizer,
    }
