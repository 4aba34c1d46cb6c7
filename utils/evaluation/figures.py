"""Figures beside the rate of one model on one test set, as far as they apply to it."""

from __future__ import annotations

from collections.abc import Sequence

from utils.evaluation.models_and_sets import TestSet
from utils.scoring.hallucinations import name_loops, without_loops
from utils.scoring.score import Score
from utils.scoring.secondary.figure import Figure, ratio
from utils.scoring.secondary.keywords import count_keywords, keyword_figures
from utils.scoring.secondary.numerals import numeral_figures
from utils.scoring.secondary.translation import translation_figures
from utils.scoring.secondary.writing import writing_figures


def figures_of(
    test_set: TestSet, score: Score, keywords: Sequence[str], seed: int
) -> dict[str, Figure]:
    """Return name -> figure.

    Args:
        test_set: The set.
        score: One model's on it.
        keywords: As a person wrote them; there may be none.
        seed: Of the intervals' bootstrap.
    """
    found = {"rate_without_loops": _without_loops(score, seed)}
    if keywords:
        counts = count_keywords(score, keywords, test_set.normalizer_for)
        found |= keyword_figures(score, counts, seed)
    if "/glm@" not in score.normalizer:  # its rules have no punctuation
        found |= writing_figures(score, seed)
    found |= numeral_figures(score, test_set.normalizer_for, seed)
    translated = [p for p in score.predictions if p.id in test_set.translations]
    if translated:
        found |= translation_figures(translated)
    return found


def _without_loops(score: Score, seed: int) -> Figure:
    errors, loops = without_loops(score)
    count = "1 loop" if len(loops) == 1 else f"{len(loops)} loops"
    note = f"{count}: {name_loops(loops, score.metric)}" if loops else ""
    return ratio(score, errors, score.tokens, seed=seed, note=note)
