"""Errors of Mandarin that are only a number written the other way: 二零二零年 and 2020年.

Such an error is one of spelling, not of hearing. Counted are the errors that go when both sides
write their numbers as digits. N utterances.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.scoring.edits import count_operations
from utils.scoring.normalizers.number_format import numbers_as_digits
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score
from utils.scoring.secondary.figure import Figure, ratio
from utils.scoring.tokens import tokenizer_of


def numeral_figures(
    score: Score, normalizer_of: Callable[[Prediction], str], seed: int
) -> dict[str, Figure]:
    """Return the share of the errors that is only digits against Chinese numerals.

    Args:
        score: Of any metric.
        normalizer_of: Names the normalizer of an utterance; those of Chinese are looked at.
        seed: Of the interval's bootstrap.

    Returns:
        Nothing where no utterance is Chinese or none has an error.
    """
    tokenize = tokenizer_of(score.metric)
    only = np.zeros_like(score.errors)
    is_chinese = np.zeros(len(only), dtype=bool)
    for place, prediction in enumerate(score.predictions):
        name = normalizer_of(prediction)
        is_chinese[place] = name.startswith("chinese") and not name.startswith("chinese-itn")
        if is_chinese[place] and score.errors[place]:
            sides = (score.references[place], score.hypotheses[place])
            reference, hypothesis = (tokenize(numbers_as_digits(text)) for text in sides)
            left = sum(count_operations(reference, hypothesis))
            only[place] = max(int(score.errors[place]) - left, 0)
    errors = np.where(is_chinese, score.errors, 0)
    return {"numeral_errors": ratio(score, only, errors, seed=seed)} if errors.any() else {}
