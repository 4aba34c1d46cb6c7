"""BLEU and chrF of translations, by sacrebleu: of the texts as they came.

Their signatures, which say how they were computed, stand in the notes. N utterances.
"""

from __future__ import annotations

from collections.abc import Sequence

from utils.scoring.predictions import Prediction
from utils.scoring.secondary.figure import POINTS, Figure

RESAMPLINGS = 1000
MOST = 100.0


def translation_figures(predictions: Sequence[Prediction]) -> dict[str, Figure]:
    """Return BLEU and chrF (0 to 100) with sacrebleu's 95 % interval over utterances.

    Args:
        predictions: Of translations; those that failed count as empty.
    """
    from sacrebleu.metrics import BLEU, CHRF

    hypotheses = [each.hypothesis if each.status == "ok" else "" for each in predictions]
    references = [[each.reference for each in predictions]]
    figures = {}
    for name, metric in (("bleu", BLEU()), ("chrf", CHRF())):
        try:
            found = metric.corpus_score(hypotheses, references, n_bootstrap=RESAMPLINGS)
        except TypeError:
            # Its bootstrap adds up Python's and numpy's numbers, which `statistics` refuses, where
            # some resamplings score 0 and others do not: a small set, without an interval.
            found = metric.corpus_score(hypotheses, references)
        # With a bootstrap it also knows a mean and half the interval around it; a resampling of
        # equal sentences knows nothing.
        mean, half = (float(getattr(found, each, 0.0)) for each in ("_mean", "_ci"))
        interval = (max(mean - half, 0.0), min(mean + half, MOST)) if half > 0 else None
        figures[name] = Figure(
            min(float(found.score), MOST),
            interval,
            unit=POINTS,
            note=f"{name} {metric.get_signature().format(short=False)}",
        )
    return figures
