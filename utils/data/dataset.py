"""A training table to examples, each made on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Dataset

from utils.audio.cache import AudioCache
from utils.audio.clip import Seconds
from utils.audio.features import SAMPLE_RATE, WINDOW_SECONDS
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.data.batching import PADDING_EXAMPLE, Example, ExampleKey
from utils.data.concat import PARTS, load_joined
from utils.data.labels import IGNORED, LabelEncoder, Labels
from utils.data.sounds import Sounds
from utils.data.table import Rows, utterance_of
from utils.manifest.read import Dropped
from utils.manifest.utterance import Utterance

if TYPE_CHECKING:
    from utils.audio.augmentation.pipeline import Augmenter


@dataclass(frozen=True)
class Shares:
    """How often an example is shown in one of two ways.

    Attributes:
        timestamps: share of the examples with times that are shown with them.
        prompt: share of the examples with previous text that are shown with it.
    """

    timestamps: float = 1.0
    prompt: float = 1.0

    def apply(self, utterance: Utterance, rng: np.random.Generator) -> Utterance:
        """The utterance as it is shown this time; always two draws."""
        timed, prompted = rng.random(2) < (self.timestamps, self.prompt)
        return replace(
            utterance,
            sentences=utterance.sentences if timed or not utterance.sentences else None,
            prompt=utterance.prompt if prompted else None,
        )


@dataclass(frozen=True)
class TrainingTable:
    """The utterances that will be trained on.

    Attributes:
        rows: on disk, shared by workers without a copy.
        dropped: what was left out and why.
        num_replayed: rows at the end that are there against forgetting.
        sounds: the audio files of the rows.
    """

    rows: Rows
    dropped: list[Dropped] = field(default_factory=list)
    num_replayed: int = 0
    sounds: Sounds = field(default_factory=Sounds)

    @property
    def durations(self) -> np.ndarray:
        """Seconds of each utterance, float64 `(rows,)`: 8 bytes a row."""
        return self.rows.numbers("duration")

    @property
    def num_tokens(self) -> np.ndarray:
        """Label tokens of each utterance, int64 `(rows,)`: 8 bytes a row."""
        return self.rows.numbers("num_tokens")

    @property
    def utterances(self) -> list[Utterance]:
        """The manifest lines behind the rows, all in memory."""
        return list(self.each_utterance())

    def each_utterance(self) -> Iterator[Utterance]:
        """Walk through the manifest lines behind the rows."""
        return map(utterance_of, self.rows.values("line"))

    @property
    def teaches_silence(self) -> bool:
        """Whether an example is one in which nothing is said."""
        return bool(self.rows.largest("is_silent"))

    @property
    def latest_start(self) -> Seconds | None:
        """When the first sentence of an example begins, at the latest; None if none has times."""
        latest: Seconds | None = self.rows.largest("first_start")
        return latest

    def __len__(self) -> int:
        return len(self.rows)


class SpeechDataset(Dataset[Example]):
    """Makes examples from a training table.

    Args:
        table: what to train on.
        encoder: text to labels.
        augmenter: changes the sound, differently in every epoch, the same way on every run.
        seed: of the augmentation.
        cache: holds decoded sound from the first epoch on, if given.
        shares: how often an example is shown with its timestamps and with its prompt.
    """

    def __init__(
        self,
        table: TrainingTable,
        encoder: LabelEncoder,
        augmenter: Augmenter | None = None,
        seed: int = 0,
        cache: AudioCache | None = None,
        shares: Shares | None = None,
    ) -> None:
        self.table = table
        self.has_labels = table.rows.encodings == {encoder.signature}
        self.shares = shares or Shares()
        self.encoder = encoder
        self.augmenter = augmenter
        self.seed = seed
        self.cache = cache

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: ExampleKey | int) -> Example:
        """One example.

        A file that turns out to be unreadable gives a second of silence without loss and with
        the reason in `failure`: it is counted and named, never replaced by another sample.
        """
        if not isinstance(key, ExampleKey):
            key = ExampleKey(int(key), 0, WINDOW_SECONDS)
        if key.row == PADDING_EXAMPLE:
            return self._padding(key, "", None)
        utterance = shown = utterance_of(self.table.rows.value("line", key.row))
        seed = (self.seed, key.epoch, key.row)
        draws = np.random.default_rng([*seed, 2])
        try:
            if PARTS in utterance.extra:
                samples, shown = load_joined(utterance, draws)
            else:
                samples = self._samples(key.row, utterance)
        except UserError as error:
            return self._padding(key, utterance.id, error.message)
        shown = self.shares.apply(shown, draws)
        if self.augmenter is not None:
            rng = np.random.default_rng([*seed, 0])
            augmenter = self.augmenter.of(utterance.extra.get("data_source") or utterance.source)
            samples, sentences = augmenter.waveform(samples, shown.sentences, rng)
            shown = replace(shown, sentences=sentences)
        samples = samples[: int(WINDOW_SECONDS * SAMPLE_RATE)]
        replayed = key.row >= len(self.table) - self.table.num_replayed
        labels = self._labels(key.row, utterance, shown)
        return Example(samples, labels, utterance.id, key.window, seed, replayed=replayed)

    def _labels(self, row: int, utterance: Utterance, shown: Utterance) -> Labels:
        """Those of the table, where the utterance is shown as it stands there."""
        same_times = not self.encoder.timestamps or shown.sentences == utterance.sentences
        same_text = shown.sentence == utterance.sentence and shown.prompt == utterance.prompt
        if self.has_labels and same_times and same_text:
            columns = (self.table.rows.value(name, row) for name in ("decoder_input_ids", "labels"))
            return Labels(*(tuple(column.tolist()) for column in columns))
        return self.encoder.encode(shown)

    def _samples(self, row: int, utterance: Utterance) -> np.ndarray:
        if self.cache is None:
            return load_audio(utterance.audio)
        return self.cache.get(row, lambda: load_audio(utterance.audio))

    def _padding(self, key: ExampleKey, name: str, failure: str | None) -> Example:
        prompt = tuple(self.encoder.prompt(self.encoder.language or "en"))
        labels = Labels(prompt, (IGNORED,) * len(prompt))
        silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
        return Example(silence, labels, name, key.window, failure=failure)


def evaluation_keys(length: int, batch: int, window: float) -> list[list[ExampleKey]]:
    """Batches of the examples 0 to `length` - 1 in their order, padded to `window` s at least."""
    keys = [ExampleKey(index, 0, window) for index in range(length)]
    return [keys[i : i + batch] for i in range(0, length, batch)]
