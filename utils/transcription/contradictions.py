"""Which transcripts a model strongly contradicts: the last of the checks of a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from utils.audio.clip import Seconds
from utils.audio.probe import AudioFacts
from utils.model.loaded import LoadedModel
from utils.transcription.confidence import confidences, edits_between
from utils.transcription.decoding import Decoding
from utils.transcription.transcribe import transcribe
from utils.validation.findings import Finding, Inspector, Line
from utils.validation.model_errors import CONTRADICTED, heard

# A model is believed over a transcript only where both are far apart: half of the words differ, and
# a token of the transcript is ten times less probable than one of what the model hears. Of 72
# exchanged transcripts one was below that (whisper-base on English, the demo's model on its own).
LEAST_DISAGREEMENT = 0.5
LEAST_NATS = math.log(10)
LONGEST: Seconds = 30.0
_SMALLEST = 1e-9  # of a probability


def contradictions(loaded: LoadedModel, decoding: Decoding) -> Inspector:
    """Return a look at the transcripts that a model contradicts, the worst with most weight.

    It also yields how far each transcript is from what the model hears; `model_errors.judged` sees
    these of all lines together, and keeps the contradictions only of a model that is a judge.

    A model makes errors too, most of all on speech unlike its training data: listen before you
    change anything.

    Args:
        loaded: the model.
        decoding: how it transcribes; its language is that of lines that state none.
    """

    def inspect(lines: Sequence[Line]) -> Iterator[Finding]:
        asked = [
            line
            for line in lines
            if not line.utterance.is_no_speech
            and isinstance(line.probed, AudioFacts)
            and line.probed.duration <= LONGEST
        ]
        hypotheses = transcribe(loaded, [line.utterance for line in asked], decoding, desc=None)
        suspects = []
        for line, each in zip(asked, hypotheses, strict=True):
            utterance = replace(
                line.utterance, sentences=None, language=each.language or line.utterance.language
            )
            edits, *tokens = edits_between(utterance.sentence, each.hypothesis, utterance.language)
            apart = edits / max(1, *tokens)
            if each.status == "ok":
                yield heard(line, edits, tokens[0])
            if each.status == "ok" and each.hypothesis.strip() and apart >= LEAST_DISAGREEMENT:
                suspects.append((line, utterance, each.hypothesis, apart))
        stated = confidences(loaded, [utterance for _, utterance, _, _ in suspects], decoding)
        others = [replace(utterance, sentence=text) for _, utterance, text, _ in suspects]
        for suspect, one, other in zip(
            suspects, stated, confidences(loaded, others, decoding), strict=True
        ):
            line, _, text, apart = suspect
            nats = math.log(max(other, _SMALLEST)) - math.log(max(one, _SMALLEST))
            if nats >= LEAST_NATS:
                message = (
                    f"the model hears {text!r}: {apart:.0%} apart, and "
                    f"{math.exp(min(nats, 20.0)):.0f} times as probable a token"
                )
                yield line.finding("warning", CONTRADICTED, message, nats)

    return inspect
