"""What is counted: text to tokens, one function per metric.

Conventions:

- CER counts code points; whitespace is no token. A combining mark that has no composed form
  (the vowel sign in हि) is a token of its own, as in jiwer, ESPnet and wenet: a wrong vowel sign is
  one error, not a wrong syllable. jiwer also counts the spaces; here a missing space is no error.
- WER counts what stands between whitespace. In scripts written without spaces that is a whole
  sentence, which is why `default_metric` gives those languages the CER.

A new metric is one function and one row in `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from utils.cli.errors import UserError

Tokenizer = Callable[[str], Sequence[str]]

# Chinese, Cantonese, Japanese, Thai, Lao, Burmese, Khmer, Tibetan: no spaces between words.
LANGUAGES_WITHOUT_SPACES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})


def characters(text: str) -> str:
    """Return the text without its whitespace: each character is a token.

    Example:
        >>> characters("打开 wifi")
        '打开wifi'
    """
    return "".join(text.split())


def words(text: str) -> list[str]:
    """Return what stands between whitespace.

    Example:
        >>> words(" turn  it off")
        ['turn', 'it', 'off']
    """
    return text.split()


METRICS: dict[str, Tokenizer] = {"cer": characters, "wer": words}
"""Metric name -> the tokens that it counts."""


def tokenizer_of(metric: str) -> Tokenizer:
    """Return the tokenizer of a metric.

    Raises:
        UserError: There is no such metric.
    """
    if metric not in METRICS:
        known = ", ".join(METRICS)
        raise UserError(f"unknown metric {metric!r}", f"Known metrics: {known}.")
    return METRICS[metric]


def default_metric(languages: Iterable[str | None]) -> str:
    """Return "cer" where a tenth of the utterances are in a script without spaces, else "wer".

    Words mean nothing there (a whole sentence is one), while characters count anywhere.

    Args:
        languages: One Whisper language code per utterance, None where it is not known.
    """
    votes = [language in LANGUAGES_WITHOUT_SPACES for language in languages]
    return "cer" if votes and 10 * sum(votes) >= len(votes) else "wer"
