"""What a model makes of utterances, transcribed and scored in one go, with nothing kept."""

from __future__ import annotations

from collections.abc import Sequence

from utils.manifest.languages import text_language
from utils.manifest.utterance import Utterance
from utils.model.loaded import LoadedModel
from utils.scoring.normalizers import choose_normalizer
from utils.scoring.score import Score, score_predictions
from utils.scoring.tokens import default_metric
from utils.transcription.decoding import Decoding
from utils.transcription.transcribe import transcribe


def score_of(
    loaded: LoadedModel,
    utterances: Sequence[Utterance],
    decoding: Decoding,
    *,
    metric: str | None = None,
    desc: str = "scoring",
) -> Score:
    """Transcribe utterances and count the errors, by the normalizer of each one's language.

    Args:
        loaded: the model; it is used where and in the mode it is in.
        utterances: in any order.
        decoding: how.
        metric: a key of `metrics.METRICS`; None for that of the utterances' languages.
        desc: label of the progress bar.

    Raises:
        UserError: if an utterance is in a language the model lacks.
    """
    languages = {
        each.id: text_language(each.language or decoding.language, each.task or decoding.task)
        for each in utterances
    }
    return score_predictions(
        transcribe(loaded, utterances, decoding, desc=desc),
        metric or default_metric(languages.values()),
        lambda each: choose_normalizer(
            languages.get(each.id) or each.language, remove_pun=True, to_simple=True
        ),
        raw=False,
    )
