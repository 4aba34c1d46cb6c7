"""Sentence error rate: the share of utterances with any error, failed and missing ones included.

Every score carries it beside its own metric; which of them that is hardly matters, for a sentence
without a wrong character is one without a wrong word. An utterance without speech is a sentence
as well: right where the hypothesis is empty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sentence_errors(errors: NDArray[np.int64], absent: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return 1 for each utterance that is wrong, else 0.

    Args:
        errors: int64 `(N,)`, errors of each utterance.
        absent: bool `(N,)`, whether it failed or is missing.
    """
    return ((errors > 0) | absent).astype(np.int64)
