"""Checks that need more than the line: a voice detector, and a model's tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import decode_blocks
from utils.audio.load import for_the_model
from utils.audio.vad import speech_in
from utils.data.labels import LabelEncoder
from utils.validation.findings import Finding, Inspector, Line
from utils.validation.sound import is_silent

# How sure the detector must be. Single words of under a second are found at the lower bound; street
# noise passes 0.5 for seconds (9 of 11 s in one recording), and the upper bound never did.
PERHAPS, SURELY = 0.35, 0.9
# Found stretches carry 0.4 s of padding, so a shorter one is no word.
LEAST_SPEECH: Seconds = 0.6
LONGEST_STRETCH: Seconds = 30.0


def voices(lines: Sequence[Line]) -> Iterator[Finding]:
    """Look where the text says speech and the sound does not, and the reverse: an `Inspector`."""
    for line in lines:
        perhaps, surely = speech_seconds(line.utterance.audio)
        if line.utterance.is_no_speech and surely >= LEAST_SPEECH:
            message = f"somebody speaks for about {surely:.1f} s, but there is no text"
            yield line.finding("warning", "voice without text", message, surely)
        elif not line.utterance.is_no_speech and not perhaps and not is_silent(line.probed):
            message = "no voice was detected, but there is text"
            yield line.finding("warning", "text without voice", message)


def speech_seconds(audio: AudioRef) -> tuple[Seconds, Seconds]:
    """Return how long somebody perhaps speaks in a sound that can be read, and how long surely."""
    perhaps = surely = 0.0
    for channels, rate in decode_blocks(audio):
        samples = for_the_model(channels, rate)
        found = [speech_in(samples, LONGEST_STRETCH, sureness) for sureness in (PERHAPS, SURELY)]
        perhaps += sum(end - start for start, end in found[0])
        surely += sum(end - start for start, end in found[1])
    return perhaps, surely


def too_many_tokens(encoder: LabelEncoder) -> Inspector:
    """Return a look at the labels that do not fit into a model's decoder.

    Args:
        encoder: of the model that will be trained.
    """

    def inspect(lines: Sequence[Line]) -> Iterator[Finding]:
        for line in lines:
            tokens = len(encoder.encode(line.utterance))
            if tokens > encoder.max_tokens:
                message = f"{tokens} label tokens; the decoder takes {encoder.max_tokens}"
                yield line.finding("error", "too many tokens", message, tokens)

    return inspect
