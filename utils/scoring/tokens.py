"""Which metric a language takes, and the tokens that a metric counts."""

from __future__ import annotations

from collections.abc import Iterable

from utils.cli.errors import UserError
from utils.scoring.metrics import METRICS, Tokenizer

# Chinese, Cantonese, Japanese, Thai, Lao, Burmese, Khmer, Tibetan: no spaces between words.
LANGUAGES_WITHOUT_SPACES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})


def tokenizer_of(metric: str) -> Tokenizer:
    """Return the tokenizer of a metric.

    Raises:
        UserError: There is no such metric.
    """
    if metric not in METRICS:
        known = ", ".join(METRICS)
        raise UserError(f"unknown metric {metric!r}", f"Known metrics: {known}.")
    return METRICS[metric].tokenize


def default_metric(languages: Iterable[str | None]) -> str:
    """Return "cer" where a tenth of the utterances are in a script without spaces, else "wer".

    Words mean nothing there (a whole sentence is one), while characters count anywhere.

    Args:
        languages: One Whisper language code per utterance, None where it is not known.
    """
    votes = [language in LANGUAGES_WITHOUT_SPACES for language in languages]
    return "cer" if votes and 10 * sum(votes) >= len(votes) else "wer"
