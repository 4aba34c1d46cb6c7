"""Figures beside the rate of one model on one test set, as far as they apply to it."""

from __future__ import annotations

from functools import cached_property

from utils.evaluation.models_and_sets import TestSet
from utils.scoring.hallucinations import without_loops
from utils.scoring.score import Score
from utils.scoring.secondary.figure import Figure, ratio
from utils.scoring.secondary.keyword_list import read_keywords
from utils.scoring.secondary.keywords import count_keywords, keyword_figures
from utils.scoring.secondary.numerals import numeral_figures
from utils.scoring.secondary.translation import translation_figures
from utils.scoring.secondary.writing import writing_figures

LOOPS_NAMED = 3
WORDS_OF_A_PHRASE = 6


class FigureMaker:
    """Computes the figures of scores; reads what is needed for it once.

    Args:
        keywords: Path of a list, or None.
        seed: Of the intervals' bootstrap.
    """

    def __init__(self, keywords: str | None, seed: int) -> None:
        self.path = keywords
        self.seed = seed

    @cached_property
    def keywords(self) -> tuple[str, ...]:
        """The list's."""
        return () if self.path is None else read_keywords(self.path)

    def figures(self, test_set: TestSet, score: Score) -> dict[str, Figure]:
        """Return name -> figure."""
        found = {"rate_without_loops": self._without_loops(score)}
        if self.keywords:
            counts = count_keywords(score, self.keywords, test_set.normalizer_for)
            found |= keyword_figures(score, counts, self.seed)
        if "/glm@" not in score.normalizer:  # its rules have no punctuation
            found |= writing_figures(score, self.seed)
        found |= numeral_figures(score, test_set.normalizer_for, self.seed)
        translated = [p for p in score.predictions if p.id in test_set.translations]
        if translated:
            found |= translation_figures(translated)
        return found

    def _without_loops(self, score: Score) -> Figure:
        errors, loops = without_loops(score)
        named = [
            f"{loop.id} ({_shown(loop.phrase, score.metric)}, {loop.times} times)" for loop in loops
        ]
        more = f" and {len(loops) - LOOPS_NAMED} more" if len(loops) > LOOPS_NAMED else ""
        count = "1 loop" if len(loops) == 1 else f"{len(loops)} loops"
        note = f"{count}: {', '.join(named[:LOOPS_NAMED])}{more}" if loops else ""
        return ratio(score, errors, score.tokens, seed=self.seed, note=note)


def _shown(phrase: tuple[str, ...], metric: str) -> str:
    between = " " if metric == "wer" else ""
    more = "..." if len(phrase) > WORDS_OF_A_PHRASE else ""
    return between.join(phrase[:WORDS_OF_A_PHRASE]) + more
