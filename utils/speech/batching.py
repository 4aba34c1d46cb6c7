"""Which examples form a step, and how a step becomes tensors.

A step (effective batch) is chosen first, from examples of similar length; only then is it cut into
the micro-batches of the processes and accumulation steps. The same examples therefore meet in
the same step, padded to the same window, however many processes there are, and since the loss is a
sum over the step's tokens divided by their number, the gradient is the same too.

B examples in a micro-batch, T tokens, F frames, M mel bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Sampler

from utils.speech.features import (
    HOP_LENGTH,
    SAMPLE_RATE,
    WINDOW_SECONDS,
    LogMel,
    pad_samples,
    window_frames,
)
from utils.speech.labels import IGNORED, Labels

if TYPE_CHECKING:
    from utils.speech.augment import Augmenter

BUCKET_STEPS = 50  # steps that are sorted by length together: long enough for tight buckets
WEIGHTLESS = -1  # place of a micro-batch that has no example left; trained with no loss


class ExampleKey(NamedTuple):
    """What a worker needs to make one example the same way on every run.

    Attributes:
        row: place in the training table; WEIGHTLESS for a stand-in that carries no loss.
        epoch: which pass over the data, so that augmentation differs from pass to pass.
        window: seconds that the whole step is padded to, at least.
    """

    row: int
    epoch: int
    window: float


@dataclass(frozen=True)
class BatchPlan:
    """How steps are cut.

    Attributes:
        micro_batch: examples a process computes at once (`per_device_train_batch_size`).
        accumulation: micro-batches a process adds up before the optimizer moves.
        num_processes: processes that share a step.
        rank: this process.
        full_share: share of the steps padded to 30 s (1.0 for `--audio_context=full`).
        seed: of the order and of the shares.
    """

    micro_batch: int
    accumulation: int = 1
    num_processes: int = 1
    rank: int = 0
    full_share: float = 1.0
    seed: int = 0

    @property
    def parts(self) -> int:
        """Micro-batches in a step, over all processes."""
        return self.accumulation * self.num_processes

    @property
    def step_size(self) -> int:
        """Examples in a step."""
        return self.micro_batch * self.parts


class StepSampler(Sampler[list[ExampleKey]]):
    """Yields this process's micro-batches, the steps one after another.

    Every example is used exactly once an epoch. The last step of an epoch may be smaller; where it
    has fewer examples than micro-batches, weightless stand-ins keep the processes in step.

    Args:
        durations: seconds of each example.
        plan: how steps are cut.
    """

    def __init__(self, durations: Sequence[float], plan: BatchPlan) -> None:
        self.durations = np.asarray(durations, dtype=np.float64)
        self.plan = plan
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass; its order depends on the seed and this number alone."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Micro-batches of this process in an epoch."""
        return math.ceil(len(self.durations) / self.plan.step_size) * self.plan.accumulation

    def steps(self) -> list[np.ndarray]:
        """The epoch's steps: int64 `(examples,)` each, similar lengths together."""
        rng = np.random.default_rng([self.plan.seed, self.epoch])
        size = self.plan.step_size
        order = rng.permutation(len(self.durations))
        # Noise on the length keeps the make-up of a step changing from epoch to epoch.
        keys = self.durations * rng.uniform(0.95, 1.05, len(self.durations))
        steps = []
        for start in range(0, len(order), size * BUCKET_STEPS):
            bucket = order[start : start + size * BUCKET_STEPS]
            bucket = bucket[np.argsort(keys[bucket], kind="stable")]
            steps += [bucket[i : i + size] for i in range(0, len(bucket), size)]
        return [steps[i] for i in rng.permutation(len(steps))]

    def __iter__(self) -> Iterator[list[ExampleKey]]:
        plan = self.plan
        rng = np.random.default_rng([plan.seed, self.epoch, 1])
        for step in self.steps():
            full = rng.random() < plan.full_share
            window = WINDOW_SECONDS if full else float(self.durations[step].max())
            parts = np.array_split(step, plan.parts)
            for number in range(plan.accumulation):
                part = parts[number * plan.num_processes + plan.rank]
                indices = part.tolist() or [WEIGHTLESS]
                yield [ExampleKey(index, self.epoch, window) for index in indices]


@dataclass(frozen=True)
class Example:
    """One utterance ready to be batched.

    Attributes:
        samples: float32 `(num_samples,)`.
        labels: its tokens.
        id: the utterance's name.
        window: seconds that its batch is padded to, at least.
        seed: for what the collator draws at random.
        failure: why the sound could not be read, else None; such an example carries no loss.
    """

    samples: np.ndarray
    labels: Labels
    id: str
    window: float = WINDOW_SECONDS
    seed: tuple[int, ...] = (0,)
    failure: str | None = None


class Collator:
    """Examples to tensors.

    Args:
        log_mel: features of the model.
        pad_token: id that fills the decoder input; it is never looked at.
        augmenter: masks features if given.
    """

    def __init__(self, log_mel: LogMel, pad_token: int, augmenter: Augmenter | None = None) -> None:
        self.log_mel = log_mel
        self.pad_token = pad_token
        self.augmenter = augmenter

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """One micro-batch.

        Returns:
            `input_features` float32 `(B, M, F)`, `decoder_input_ids` int64 `(B, T)`, `labels`
            int64 `(B, T)` with -100 where no loss is wanted, and two plain lists that the trainer
            takes out again: `failures` of (id, reason) and `audio_seconds`.
        """
        lengths = [len(example.samples) for example in examples]
        longest = max(*lengths, round(max(e.window for e in examples) * SAMPLE_RATE))
        frames = window_frames(longest)
        features = self.log_mel(pad_samples([e.samples for e in examples], frames))
        if self.augmenter is not None:
            self._mask(features, examples, lengths)
        return {
            "input_features": features,
            **pad_labels([example.labels for example in examples], self.pad_token),
            "failures": [(e.id, e.failure) for e in examples if e.failure],
            "audio_seconds": sum(lengths) / SAMPLE_RATE,
        }

    def _mask(
        self, features: torch.Tensor, examples: Sequence[Example], lengths: Sequence[int]
    ) -> None:
        """SpecAugment on the frames that hold speech, in place."""
        assert self.augmenter is not None
        for row, example, length in zip(features, examples, lengths, strict=True):
            spoken = min(-(-length // HOP_LENGTH), row.shape[-1])
            rng = np.random.default_rng([*example.seed, 1])
            masked = self.augmenter.features(row[:, :spoken].numpy(), rng)
            row[:, :spoken] = torch.from_numpy(masked)


def pad_labels(rows: Sequence[Labels], pad_token: int) -> dict[str, torch.Tensor]:
    """Stack labels of different lengths.

    Args:
        rows: B of them.
        pad_token: id that fills the decoder input after the end.

    Returns:
        `decoder_input_ids` and `labels`, int64 `(B, T)`; labels are padded with -100 by length,
        never by token id, since Whisper's pad token is also its end-of-text.
    """
    width = max(len(row) for row in rows)
    inputs = torch.full((len(rows), width), pad_token)
    labels = torch.full((len(rows), width), IGNORED)
    for place, row in enumerate(rows):
        inputs[place, : len(row)] = torch.tensor(row.decoder_input_ids)
        labels[place, : len(row)] = torch.tensor(row.labels)
    return {"decoder_input_ids": inputs, "labels": labels}
