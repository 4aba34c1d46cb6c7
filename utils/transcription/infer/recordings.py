"""Recordings that are being transcribed: their sound, the stretches they are cut into, their text.

B batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from utils.audio.clip import AudioRef, Seconds
from utils.audio.features import SAMPLE_RATE, WINDOW_SECONDS
from utils.audio.segmentation import cut_at_silence
from utils.manifest.utterance import Utterance
from utils.scoring.tokens import LANGUAGES_WITHOUT_SPACES
from utils.transcription.clips import LONGEST_WINDOW_SAMPLES, Clip
from utils.transcription.infer.inputs import Source
from utils.transcription.infer.settings import InferSettings
from utils.transcription.infer.sound import speech_in_recording
from utils.transcription.longform import Samples
from utils.transcription.transcript import Advance, ClipTranscript, TimedText, Word, joined

SHORTEST: Seconds = 0.1  # of a stretch that is transcribed


@dataclass
class Recording:
    """A recording with its samples, and how far it is transcribed.

    Attributes:
        source: where it comes from.
        key: of it, with the settings, in the journal.
        samples: mono, 16 kHz.
        stretches: of it, in samples, that are transcribed, in order.
        texts: of the stretches that are done, their times already the recording's.
        windows: of the longer stretches, that are decoded already.
        language: that was stated or detected.
    """

    source: Source
    key: list[Any]
    samples: Samples
    stretches: list[tuple[int, int]]
    texts: dict[int, ClipTranscript] = field(default_factory=dict)
    windows: dict[int, list[Advance]] = field(default_factory=dict)
    language: str | None = None

    @property
    def seconds(self) -> Seconds:
        """Duration."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def is_done(self) -> bool:
        """Whether every stretch has its text."""
        return len(self.texts) == len(self.stretches)

    def clip(self, number: int) -> Clip:
        """A stretch, for the decoder."""
        begin, end = self.stretches[number]
        is_whole = (begin, end) == (0, len(self.samples))
        name = self.source.name if is_whole else f"{self.source.name} {begin / SAMPLE_RATE:.2f}"
        utterance = Utterance(AudioRef(str(self.source.path)), "", name, language=self.language)
        samples: Any = self.samples
        # A long one stays where it is, and is read window by window.
        if not is_whole or end - begin <= LONGEST_WINDOW_SAMPLES:
            samples = self.samples[begin:end]
        return Clip(utterance, samples, known=tuple(self.windows.get(number, ())))

    def begin(self, number: int) -> Seconds:
        """When a stretch begins."""
        return self.stretches[number][0] / SAMPLE_RATE

    def transcript(self) -> ClipTranscript:
        """All of it."""
        parts = [self.texts[number] for number in range(len(self.stretches))]
        language = self.language or next((p.language for p in parts if p.language), None)
        return joined(parts, "" if language in LANGUAGES_WITHOUT_SPACES else " ")


def stretches_of(samples: Samples, settings: InferSettings) -> list[tuple[int, int]]:
    """The parts of a recording that are transcribed, in samples.

    Args:
        samples: of the recording.
        settings: whether it is cut by a voice detector, or by the user.
    """
    length = len(samples) / SAMPLE_RATE
    if settings.clips:
        parts = [(begin, min(end, length)) for begin, end in settings.clips]
    elif settings.vad_filter and len(samples) > LONGEST_WINDOW_SAMPLES:
        speech = speech_in_recording(samples, WINDOW_SECONDS)
        parts, short = cut_at_silence(speech, length, SHORTEST, WINDOW_SECONDS)
        parts = sorted([*parts, *short])
    else:
        return [(0, len(samples))]
    return [
        (round(begin * SAMPLE_RATE), min(round(end * SAMPLE_RATE), len(samples)))
        for begin, end in parts
        if end - begin >= SHORTEST
    ]


def without_improbable(
    text: ClipTranscript, threshold: Seconds | None, length: Seconds
) -> ClipTranscript:
    """A text without segments of improbable words in the midst of silence.

    As openai-whisper judges them: a word is odd by a probability below 15 %, a length below 0.133 s
    or above 2 s.

    Args:
        text: with word times.
        threshold: seconds without a word, before and after; None leaves the text as it is.
        length: of the recording.
    """
    if threshold is None:
        return text
    kept: list[TimedText] = []
    ends = 0.0
    segments = text.segments
    for place, each in enumerate(segments):
        after = segments[place + 1].start if place + 1 < len(segments) else length
        alone = each.start - ends > threshold and after - each.end > threshold
        if alone and _is_odd(each.words or ()):
            continue
        kept.append(each)
        ends = each.end
    if len(kept) == len(segments):
        return text
    separator = "" if text.language in LANGUAGES_WITHOUT_SPACES else " "
    return ClipTranscript(separator.join(k.text for k in kept), text.language, tuple(kept))


def _is_odd(words: Sequence[Word]) -> bool:
    judged = [word for word in words if any(sign.isalnum() for sign in word.text)][:8]
    total = 0.0
    for word in judged:
        length = word.end - word.start
        total += float(word.probability < 0.15)
        total += max(0.0, (0.133 - length) * 15) + max(0.0, length - 2.0)
    return total >= 3 or total + 0.01 >= len(judged)
