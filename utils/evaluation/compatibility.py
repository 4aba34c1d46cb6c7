"""Whether a model and a test set belong together, asked before any work is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import Engine

ENGLISH = "en"
TRANSLATE = "translate"


def expect_fit(engine: Engine, utterances: Sequence[Utterance], decoding: Decoding) -> None:
    """Refuse what a model cannot do with these utterances.

    Raises:
        UserError: the feature extractor makes other mel bins than the encoder takes; the model
            lacks a language; an English-only model is asked for another language or to translate;
            an engine is asked for windows that it cannot compute.
    """
    if decoding.audio_context == "thinned" and not engine.thins:
        raise UserError(
            f"{engine.path}: {engine.describe()['engine']} cannot run with thinned windows",
            "Take --audio_context=auto, or the model before it was converted.",
        )
    made, taken = engine.log_mel.num_mel_bins, engine.num_mel_bins
    if made != taken:
        raise UserError(
            f"{engine.path}: its feature extractor makes {made} mel bins, "
            f"its encoder takes {taken}",
            "preprocessor_config.json belongs to another model; copy the one of this model.",
        )
    asked = Counter(each.language or decoding.language for each in utterances)
    if engine.multilingual:
        _expect_languages(engine, asked)
        return
    foreign = {code: count for code, count in asked.items() if code and code != ENGLISH}
    if foreign:
        raise UserError(
            f"{engine.path} knows English only; the test set asks for {_counted(foreign)}",
            "Take a multilingual model, or give --language=English if the lines state none.",
        )
    tasks = Counter(each.task or decoding.task for each in utterances)
    if tasks[TRANSLATE]:
        raise UserError(
            f"{engine.path} knows English only and cannot translate "
            f"({tasks[TRANSLATE]} utterances ask for it)",
            "Take a multilingual model, or --task=transcribe.",
        )


def _expect_languages(engine: Engine, asked: Counter[str | None]) -> None:
    special = engine.label_encoder(None, "transcribe").special_ids
    unknown = {
        code: count
        for code, count in asked.items()
        if code is not None and f"<|{code}|>" not in special
    }
    if unknown:
        raise UserError(
            f"{engine.path} has no token for {_counted(unknown)}",
            "Take a model that knows the language (Cantonese came with large-v3), "
            "or leave those utterances out.",
        )


def _counted(asked: Mapping[str, int]) -> str:
    return ", ".join(f"{code} ({count} utterances)" for code, count in asked.items())
