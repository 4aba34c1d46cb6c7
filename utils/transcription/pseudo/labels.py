"""Pieces of recordings -> the same with drafts of their text, measured and sifted.

What was labelled is remembered and not labelled again. Thresholds are applied at the end, so that
other ones cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from utils.cli.log import Log
from utils.manifest.languages import language_code
from utils.manifest.utterance import Utterance
from utils.model.distributed import device_of_this_process
from utils.model.load import load_model, weights_sha256
from utils.model.loaded import LoadedModel
from utils.parallel.journal import Journal
from utils.parallel.ray_data import spread
from utils.sources.source_data import LeftOut
from utils.transcription.confidence import confidences, disagreement
from utils.transcription.pseudo.settings import PseudoLabelSettings
from utils.transcription.transcribe import Decoding, transcribe
from utils.transcription.transcript import compression_ratio

BATCHES_A_STEP = 4  # labelled and remembered together; sorted by length among themselves


def label(
    pieces: Sequence[Utterance], settings: PseudoLabelSettings, journal: Journal, log: Log
) -> list[Utterance]:
    """Label pieces and measure how far each label can be trusted.

    Returns:
        The pieces with text, language, and in `extra` `confidence`, `compression_ratio`, and of a
        second labelling `second_text` and `disagreement`.
    """
    first = _Labeller(settings.model_path, settings.num_beams, settings)
    labelled = first(pieces, journal, log)
    if settings.has_second:
        beams = settings.second_num_beams or settings.num_beams
        second = _Labeller(settings.second_model or settings.model_path, beams, settings)
        # In the language of the first label: two languages would agree in nothing.
        others = second([replace(each, sentence="") for each in labelled], journal, log)
        labelled = [_compared(one, other) for one, other in zip(labelled, others, strict=True)]
    return labelled


def sift(
    labelled: Sequence[Utterance], settings: PseudoLabelSettings
) -> tuple[list[Utterance], list[LeftOut]]:
    """Leave out the labels that the settings do not trust."""
    kept, left_out = [], []
    for each in labelled:
        reason = _distrust(each, settings)
        if reason is None:
            kept.append(each)
        else:
            left_out.append(LeftOut(each.id, reason))
    return kept, left_out


def _distrust(labelled: Utterance, settings: PseudoLabelSettings) -> str | None:
    measured, most = labelled.extra, settings.max_disagreement
    if not labelled.sentence:
        return "empty hypothesis"
    if measured["confidence"] < settings.min_confidence:
        return f"low confidence: {measured['confidence']:.3f}"
    if measured["compression_ratio"] > settings.max_compression_ratio:
        return f"repeats itself: compression ratio {measured['compression_ratio']:.2f}"
    if most is not None and measured["disagreement"] > most:
        return f"labels disagree: {measured['disagreement']:.2f}, {measured['second_text']!r}"
    return None


def _compared(one: Utterance, other: Utterance) -> Utterance:
    differ = disagreement(one.sentence, other.sentence, one.language)
    extra = {**one.extra, "second_text": other.sentence, "disagreement": round(differ, 4)}
    return replace(one, extra=extra)


@dataclass
class _LazyTranscriber:
    """A model that transcribes pieces; it is loaded by the first process that needs it."""

    model: str
    decoding: Decoding
    local_files_only: bool
    _loaded: LoadedModel | None = field(default=None, repr=False)

    def __call__(self, pieces: Sequence[Utterance]) -> list[dict[str, Any]]:
        if self._loaded is None:
            self._loaded = load_model(self.model, local_files_only=self.local_files_only)
            self._loaded.model.to(device_of_this_process())
        hypotheses = transcribe(self._loaded, pieces, self.decoding, desc="labelling")
        texts = [
            replace(piece, sentence=each.hypothesis, language=each.language)
            for piece, each in zip(pieces, hypotheses, strict=True)
        ]
        sure = confidences(self._loaded, texts, self.decoding)
        return [
            {
                "text": each.sentence,
                "language": each.language,
                "confidence": float(f"{confidence:.6g}"),
                "compression_ratio": round(compression_ratio(each.sentence), 3),
            }
            for each, confidence in zip(texts, sure, strict=True)
        ]


class _Labeller:
    """One model with one decoding, and the labels that it gave before."""

    def __init__(self, model: str, num_beams: int, settings: PseudoLabelSettings) -> None:
        self.model = model
        self.engine = settings.engine
        self.language = language_code(settings.language) if settings.language else None
        self.decoding = Decoding(
            language=self.language,
            batch_size=settings.batch_size,
            num_beams=num_beams,
            num_workers=settings.num_workers,
        )
        # A model that changes under its name is another model.
        self.identity = weights_sha256(model) or model
        self._transcribe = _LazyTranscriber(model, self.decoding, settings.local_files_only)

    def __call__(self, pieces: Sequence[Utterance], journal: Journal, log: Log) -> list[Utterance]:
        """Label pieces, of which those that were labelled before are remembered."""
        unknown = [each for each in pieces if self._key(each) not in journal]
        log(f"{self.model}: {len(unknown)} of {len(pieces)} pieces to label")
        steps = list(self._steps(unknown))
        done = spread(self._transcribe, steps, self.engine, wants_gpu=True)
        for step, answers in zip(steps, done, strict=True):
            for piece, answer in zip(step, answers, strict=True):
                journal.add(self._key(piece), answer)
        return [self._labelled(each, journal[self._key(each)]) for each in pieces]

    def _steps(self, pieces: Sequence[Utterance]) -> Iterator[Sequence[Utterance]]:
        size = BATCHES_A_STEP * self.decoding.batch_size
        for start in range(0, len(pieces), size):
            yield pieces[start : start + size]

    def _key(self, piece: Utterance) -> list[Any]:
        language = piece.language or self.language
        return ["labelled", piece.id, self.identity, self.decoding.num_beams, language]

    @staticmethod
    def _labelled(piece: Utterance, answer: dict[str, Any]) -> Utterance:
        measured = {name: answer[name] for name in ("confidence", "compression_ratio")}
        return replace(piece, sentence=answer["text"], language=answer["language"], extra=measured)
