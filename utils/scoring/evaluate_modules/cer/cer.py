"""The CER as a metric of the `evaluate` library.

    evaluate.load("utils/scoring/evaluate_modules/cer")

Counted by the same functions as evaluation.py, over the whole corpus. Load it from the
repository's folder, so that `utils` can be found.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from utils.scoring.evaluate_modules.corpus import CITATION, INPUTS, corpus_rate

DESCRIPTION = (
    "Character error rate: errors of all utterances over their reference characters, "
    "whitespace left out."
)


@evaluate.utils.file_utils.add_start_docstrings(DESCRIPTION, INPUTS)
class CharacterErrorRate(evaluate.Metric):
    """Character error rate of a corpus."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(
        self, predictions: list[str], references: list[str], normalizer: str = "none"
    ) -> dict[str, Any]:
        return corpus_rate("cer", predictions, references, normalizer)
