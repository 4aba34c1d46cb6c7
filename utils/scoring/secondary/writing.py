"""Punctuation and case, as readers see them: of the texts as they came.

Words are aligned without case; between two words that are right, the marks of both sides are
aligned with each other. The punctuation error rate is the marks that are wrong, missing or too many
over the reference's marks; Meister et al. (LibriSpeech-PC, arXiv 2310.02943) divide the same errors
by themselves and the right marks. The case error rate is the share of the right words that are in
the wrong case. N utterances.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import regex

from utils.scoring.edits import align_places, count_operations
from utils.scoring.normalizers.letters import straight_quotes
from utils.scoring.normalizers.steps import HAN
from utils.scoring.score import Score
from utils.scoring.secondary.figure import Figure, ratio

# An apostrophe, point, comma or hyphen inside a word belongs to it: don't, 3.5, well-known.
# References of which fewer have a mark are written without punctuation, but for a bracket.
PUNCTUATED = 0.1
_LETTER = rf"[\p{{L}}\p{{M}}\p{{N}}--{HAN}]"
_PIECE = regex.compile(rf"(?P<word>{HAN}|{_LETTER}+(?:['.,:-]{_LETTER}+)*)|\p{{P}}", regex.V1)
_MARK = regex.compile(r"\p{P}")
# Marks that differ by script alone.
_MARKS = str.maketrans({"。": ".", "、": ",", "“": '"', "”": '"', "「": '"', "」": '"'})


def writing_figures(score: Score, seed: int) -> dict[str, Figure]:
    """Return the error rates of punctuation and of case.

    Args:
        score: Of any metric; its predictions' texts are read, not the normalised ones.
        seed: Of the intervals' bootstrap.

    Returns:
        Those that the references have something to say about: none of punctuation where fewer than
        a tenth of them have marks, none of case where every word is in one case.
    """
    references = [each.reference for each in score.predictions]
    in_two_cases = not all(map(_is_lower, references)) and not all(map(_is_upper, references))
    marked = sum(1 for text in references if _MARK.search(text))
    is_punctuated = marked and marked >= len(references) * PUNCTUATED
    if not in_two_cases and not is_punctuated:
        return {}
    rows = [
        _count(each.reference, each.hypothesis if each.status == "ok" else "")
        for each in score.predictions
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    figures = {}
    if is_punctuated and table[:, 1].any():
        figures["punctuation_error_rate"] = ratio(score, table[:, 0], table[:, 1], seed=seed)
    if in_two_cases and table[:, 3].any():
        figures["case_error_rate"] = ratio(score, table[:, 2], table[:, 3], seed=seed)
    return figures


def _is_lower(text: str) -> bool:
    return text == text.lower()


def _is_upper(text: str) -> bool:
    return text == text.upper()


def _count(reference: str, hypothesis: str) -> tuple[int, int, int, int]:
    """Return wrong marks, marks of the reference, right words in wrong case, right words."""
    words, gaps = _parsed(reference)
    if reference == hypothesis:
        return 0, sum(map(len, gaps)), 0, sum(map(_has_case, words))
    other_words, other_gaps = _parsed(hypothesis)
    pairs = align_places([w.casefold() for w in words], [w.casefold() for w in other_words])
    wrong = wrong_case = right = 0
    begin = other_begin = 0
    for i, j in [*pairs, (len(words), len(other_words))]:
        expected = "".join(gaps[begin : i + 1])
        found = "".join(other_gaps[other_begin : j + 1])
        wrong += sum(count_operations(expected, found))
        begin, other_begin = i + 1, j + 1
        if i < len(words) and _has_case(words[i]):
            right += 1
            wrong_case += words[i] != other_words[j]
    return wrong, sum(map(len, gaps)), wrong_case, right


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[list[str], list[str]]:
    """Return the words, and the marks before each and after the last: one more."""
    text = straight_quotes(unicodedata.normalize("NFKC", text)).translate(_MARKS)
    words: list[str] = []
    gaps = [""]
    for piece in _PIECE.finditer(text):
        if piece["word"]:
            words.append(piece[0])
            gaps.append("")
        else:
            gaps[-1] += piece[0]
    return words, gaps


def _has_case(word: str) -> bool:
    return any(map(_is_cased, word))


def _is_cased(letter: str) -> bool:
    return letter.islower() or letter.isupper()
