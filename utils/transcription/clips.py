"""Utterances to samples, read while the model works on the ones before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from utils.audio.features import SAMPLE_RATE, WINDOW_SAMPLES
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.transcription.transcript import Advance

# Encoders pad: a 30 s clip may come out of its decoder some milliseconds longer.
LONGEST_WINDOW_SAMPLES = WINDOW_SAMPLES + SAMPLE_RATE // 10


@dataclass(frozen=True)
class Clip:
    """One utterance's sound, or why there is none.

    Attributes:
        utterance: what the manifest says of it.
        samples: float32 `(num_samples,)`, mono, 16 kHz.
        failure: why the sound could not be read.
        known: windows of a long one that were decoded before.
    """

    utterance: Utterance
    samples: np.ndarray
    failure: str | None = None
    known: tuple[Advance, ...] = ()

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def is_long(self) -> bool:
        """Whether it needs more than one window of 30 s."""
        return len(self.samples) > LONGEST_WINDOW_SAMPLES


def read_clip(utterance: Utterance) -> Clip:
    """Read an utterance's sound; one that cannot be read says why."""
    try:
        return Clip(utterance, load_audio(utterance.audio))
    except UserError as error:
        return Clip(utterance, np.zeros(0, dtype=np.float32), error.message)


def read_ahead(
    pool: ThreadPoolExecutor, batches: Sequence[Sequence[Utterance]]
) -> Iterator[list[Clip]]:
    """Yield the batches' sound while the next one is being read."""
    waiting: list[list[Future[Clip]]] = []
    for number in range(len(batches) + 1):
        if number < len(batches):
            waiting.append([pool.submit(read_clip, utterance) for utterance in batches[number]])
        if number > 0:
            yield [future.result() for future in waiting.pop(0)]
