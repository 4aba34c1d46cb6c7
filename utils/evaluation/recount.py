"""A second opinion on the totals: jiwer counts them again, from the same tokens."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from utils.cli.console import warn
from utils.scoring.score import Score
from utils.scoring.tokens import tokenizer_of

JIWER = "jiwer"


def recount(score: Score, name: str) -> dict[str, Any]:
    """Let jiwer count the errors of a score, normalised and as written.

    Args:
        score: Whose totals are checked.
        name: Of the model and set, for the warning.

    Returns:
        `library`, its `errors`, `reference_tokens` and `raw_errors`, and whether it `agrees`.
    """
    texts = [p.hypothesis if p.status == "ok" else "" for p in score.predictions]
    errors, tokens = _count(score.references, score.hypotheses, score.metric)
    raw_errors, raw_tokens = _count(
        [each.reference for each in score.predictions], texts, score.metric
    )
    theirs = (errors, tokens, raw_errors, raw_tokens)
    ours = (
        *(score.counts.errors, score.counts.reference_tokens),
        *(score.raw.errors, score.raw.reference_tokens),
    )
    if theirs != ours:
        warn(
            f"{name}: jiwer counts {errors} errors in {tokens} tokens ({raw_errors} in "
            f"{raw_tokens} as written), we count {ours[0]} in {ours[1]} ({ours[2]} in {ours[3]}); "
            "please report it with the predictions"
        )
    return {
        "library": f"jiwer {version('jiwer')}",
        "errors": errors,
        "reference_tokens": tokens,
        "raw_errors": raw_errors,
        "raw_reference_tokens": raw_tokens,
        "agrees": theirs == ours,
    }


def _count(references: Sequence[str], hypotheses: Sequence[str], metric: str) -> tuple[int, int]:
    """Return the errors and reference tokens that jiwer counts.

    Characters are compared without spaces, which jiwer would count as well; tokens of other kinds
    are handed over as words.
    """
    import jiwer

    if metric == "cer":
        expected, found = (
            ["".join(text.split()) for text in side] for side in (references, hypotheses)
        )
        output: Any = jiwer.process_characters(expected, found)
    else:
        tokenize = tokenizer_of(metric)
        expected, found = (
            [" ".join(tokenize(text)) for text in side] for side in (references, hypotheses)
        )
        output = jiwer.process_words(expected, found)
    errors = output.substitutions + output.deletions + output.insertions
    return errors, output.hits + output.substitutions + output.deletions
