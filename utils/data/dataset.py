"""A manifest to training examples: what is used, and each example made on demand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Dataset

from utils.audio.cache import AudioCache
from utils.audio.clip import Seconds
from utils.audio.features import SAMPLE_RATE, WINDOW_SECONDS
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.cli.files import scratch_folder
from utils.cli.progress import progress
from utils.data.batching import PADDING_EXAMPLE, Example, ExampleKey
from utils.data.concat import PARTS, load_joined
from utils.data.labels import IGNORED, LabelEncoder, Labels
from utils.data.table import Row, RowFile, Rows, open_rows, read_dropped
from utils.manifest.durations import known_durations
from utils.manifest.read import Dropped, Manifest
from utils.manifest.utterance import Utterance
from utils.parallel.shards import WHOLE, Shard

if TYPE_CHECKING:
    from utils.audio.augmentation.pipeline import Augmenter

ROWS_AT_ONCE = 1000


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
    """

    rows: Rows
    dropped: list[Dropped] = field(default_factory=list)
    num_replayed: int = 0

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
        """Yield the manifest lines behind the rows."""
        for number, line in enumerate(self.rows.values("line")):
            yield Utterance.from_json(json.loads(line), default_id=str(number))

    @property
    def teaches_silence(self) -> bool:
        """Whether an example is one in which nothing is said."""
        return any(self.rows.values("is_silent"))

    @property
    def latest_start(self) -> Seconds | None:
        """When the first sentence of an example begins, at the latest; None if none has times."""
        starts = (start for start in self.rows.values("first_start") if start is not None)
        return max(starts, default=None)

    def __len__(self) -> int:
        return len(self.rows)


def training_table(
    manifest: Manifest, encoder: LabelEncoder, min_len: Seconds, max_len: Seconds
) -> TrainingTable:
    """Keep what can be trained on; everything else is named with its reason.

    The rows are written to disk as they are made, and mapped from there: the table takes no more
    memory for ten million utterances than for ten.

    Left out are files that are missing, utterances shorter than `min_len` or longer than
    `max_len`, and labels longer than the decoder's positions, which would stop a run midway.

    Args:
        manifest: the training or dev manifest.
        encoder: counts the tokens.
        min_len: seconds; no-speech examples may be shorter.
        max_len: seconds, at most 30.

    Raises:
        UserError: if nothing is left, or a language or task is unknown to the tokenizer.
    """
    return open_table([write_rows(manifest, encoder, (min_len, max_len))], manifest)


def write_rows(
    manifest: Manifest, encoder: LabelEncoder, limits: tuple[Seconds, Seconds], part: Shard = WHOLE
) -> Path:
    """Write the rows of a part of a manifest, as `training_table` makes them.

    Returns:
        The folder, for `open_table` in any process of this machine. It goes with this process.
    """
    folder = scratch_folder("tables")
    utterances = part.of(manifest.utterances)
    with RowFile(folder, encoder) as file:
        known = progress(_with_durations(utterances), total=len(utterances), desc="reading data")
        for utterance, seconds in known:
            try:
                labels = encoder.encode(utterance)
            except UserError as error:
                found = f"{manifest.path}, {utterance.id}: {error.message}"
                raise UserError(found, error.hint) from None
            reason = _why_unusable(utterance, seconds, len(labels), encoder, limits)
            if reason:
                file.drop(Dropped(utterance.id, reason))
                continue
            if utterance.duration is None:  # once measured, it need not be at each evaluation
                utterance = replace(utterance, duration=seconds)
            file.add(Row.of(utterance, float(seconds or 0.0), labels))
    return folder


def open_table(folders: Sequence[Path], manifest: Manifest) -> TrainingTable:
    """The table whose parts `write_rows` wrote into folders.

    Raises:
        UserError: nothing is left.
    """
    rows = open_rows(folders)
    dropped = [each for folder in folders for each in read_dropped(folder)]
    if not len(rows):
        raise UserError(
            f"{manifest.path}: none of its {len(manifest)} utterances can be trained on "
            f"(the first, {dropped[0].id}: {dropped[0].reason})",
            "Look at --min_audio_len and --max_audio_len, or run check_data.py on it.",
        )
    return TrainingTable(rows, dropped)


def _with_durations(
    utterances: Iterable[Utterance],
) -> Iterator[tuple[Utterance, Seconds | None]]:
    """Yield each utterance with its seconds; None where its file cannot be read."""
    remaining = iter(utterances)
    while some := list(islice(remaining, ROWS_AT_ONCE)):
        yield from zip(some, known_durations(some), strict=True)


def _why_unusable(
    utterance: Utterance,
    seconds: Seconds | None,
    tokens: int,
    encoder: LabelEncoder,
    limits: tuple[Seconds, Seconds],
) -> str | None:
    shortest, longest = limits
    if seconds is None or not Path(utterance.audio.path).is_file():
        found = "no such file" if not Path(utterance.audio.path).exists() else "cannot be read"
        return f"{utterance.audio.path}: {found}"
    if seconds > longest:
        return f"{seconds:.2f} s is longer than {longest:g} s"
    if seconds < shortest and not utterance.is_no_speech:
        return f"{seconds:.2f} s is shorter than {shortest:g} s"
    if tokens > encoder.max_tokens:
        counted = "prompt and label tokens" if utterance.prompt else "label tokens"
        return f"{tokens} {counted}; the decoder takes {encoder.max_tokens}"
    return None


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
        line = json.loads(self.table.rows.value("line", key.row))
        utterance = shown = Utterance.from_json(line, default_id=str(key.row))
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
            samples, sentences = self.augmenter.waveform(samples, shown.sentences, rng)
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
