"""Which examples form a step, and how a step becomes tensors.

A step (effective batch) is chosen first, from examples of similar length (`buckets.py`); only then
is it cut into the micro-batches of the processes and accumulation steps. The same examples
therefore meet in the same step, padded to the same window, however many processes there are, and
since the loss is a sum over the step's tokens divided by their number, the gradient is the same
too.

B examples in a micro-batch, T tokens, F frames, M mel bins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Sampler

from utils.audio.features import (
    HOP_LENGTH,
    SAMPLE_RATE,
    SMALLEST_SECONDS,
    WINDOW_SECONDS,
    LogMel,
    compiled_window,
    pad_samples,
    window_frames,
)
from utils.data.buckets import Budget, make_layout
from utils.data.labels import IGNORED, Labels

if TYPE_CHECKING:
    from utils.audio.augmentation.pipeline import Augmenter

PADDING_EXAMPLE = -1  # place of a micro-batch that has no example left; trained with no loss


class ExampleKey(NamedTuple):
    """What a worker needs to make one example the same way on every run.

    Attributes:
        row: place in the training table; PADDING_EXAMPLE for one that carries no loss.
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
        tail_share: share of the steps with a random length of silence after the speech.
        seed: of the order and of the shares.
        batch_seconds: seconds of padded window in a micro-batch, examples x window; with it or
            `batch_tokens`, `micro_batch` does not count.
        batch_tokens: label tokens in a micro-batch, examples x longest.
        margin: seconds of silence that a cut window keeps after the longest clip.
        warmup_steps: steps of the run over which windows shrink from 30 s to the cut ones.
    """

    micro_batch: int
    accumulation: int = 1
    num_processes: int = 1
    rank: int = 0
    full_share: float = 1.0
    tail_share: float = 0.0
    seed: int = 0
    batch_seconds: float | None = None
    batch_tokens: int | None = None
    margin: float = 0.0
    warmup_steps: int = 0

    @property
    def parts(self) -> int:
        """Micro-batches in a step, over all processes."""
        return self.accumulation * self.num_processes

    @property
    def by_count(self) -> bool:
        """Whether a micro-batch is limited by the number of its examples alone."""
        return self.batch_seconds is None and self.batch_tokens is None

    @property
    def budget(self) -> Budget:
        """What a step may hold."""
        clips = self.micro_batch if self.by_count else None
        return Budget(self.parts, clips, self.batch_seconds, self.batch_tokens)

    @property
    def full_context_share(self) -> float:
        """Share of the steps that get more window than their speech needs."""
        return min(1.0, self.full_share + self.tail_share)

    def windows(self, durations: np.ndarray) -> np.ndarray:
        """Seconds of the shortest window that each clip is trained in, float64 `(N,)`.

        Args:
            durations: float64 `(N,)`, seconds.
        """
        if self.full_share >= 1:
            return np.full(len(durations), WINDOW_SECONDS)
        return np.clip(durations + self.margin, SMALLEST_SECONDS, WINDOW_SECONDS)


class StepSampler(Sampler[list[ExampleKey]]):
    """Yields this process's micro-batches, the steps one after another.

    Every example is used exactly once an epoch, and all epochs have the same number of steps. A
    step may have fewer examples than micro-batches: padding examples, which carry no loss, then
    keep the processes in step.

    Args:
        durations: seconds of each example.
        plan: how steps are cut.
        tokens: label tokens of each example; needed where the plan limits them.
    """

    def __init__(
        self,
        durations: Sequence[float] | np.ndarray,
        plan: BatchPlan,
        tokens: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        self.durations = np.asarray(durations, dtype=np.float64)
        self.plan = plan
        self.epoch = 0
        self.tokens = np.zeros(len(self.durations), dtype=np.int64)
        if tokens is not None:
            self.tokens = np.asarray(tokens, dtype=np.int64)
        self.shortest_windows = plan.windows(self.durations)
        # A full-context batch holds fewer examples than others: they are laid out as such.
        full_context_share = 0.0 if plan.full_share >= 1 else plan.full_context_share
        self.layout = make_layout(
            self.shortest_windows, self.tokens, plan.budget, full_context_share, WINDOW_SECONDS
        )

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass; its order depends on the seed and this number alone."""
        self.epoch = epoch

    @property
    def num_steps(self) -> int:
        """Steps in every epoch, whoever computes them."""
        return self.layout.num_steps

    def __len__(self) -> int:
        """Micro-batches of this process in an epoch."""
        return self.num_steps * self.plan.accumulation

    def steps(self) -> Iterator[tuple[np.ndarray, float]]:
        """Yield the epoch's steps: rows, int64 `(examples,)`, and the seconds of the window."""
        rng = np.random.default_rng([self.plan.seed, self.epoch])
        bucketed, full_context = self.layout.draw(rng)
        drawn = [*bucketed, *full_context]
        order = rng.permutation(len(drawn)).tolist()
        contexts, tails = self._draws(len(drawn))
        for number, place in enumerate(order):
            step = drawn[place]
            yield step, self._window(step, number, contexts[place], tails[place])

    def _draws(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """What decides about each drawn step's window, float64 `(num_steps,)`: context and tail.

        The contexts are spread evenly over [0, 1) rather than drawn each by itself: a share of 5 %
        is then 5 % of every pass, give or take one step, and a short run sees its full windows.
        """
        plan = self.plan
        draws = np.random.default_rng([plan.seed, self.epoch, 1])
        tails = draws.random(num_steps)
        if plan.full_share >= 1:
            return np.zeros(num_steps), tails
        # A number of full-context batches was laid out, and they come last.
        bucketed = num_steps - self.layout.num_full_context
        full_context = _evenly(self.layout.num_full_context, draws) * plan.full_context_share
        return np.concatenate([np.ones(bucketed), full_context]), tails

    def padding_waste(self) -> float:
        """Share of the epoch's windows that is no sound, where they are cut to the speech."""
        bucketed, full_context = self.layout.draw(
            np.random.default_rng([self.plan.seed, self.epoch])
        )
        steps = bucketed or full_context
        padded = sum(len(step) * self.shortest_windows[step].max() for step in steps)
        return float(1 - sum(self.durations[step].sum() for step in steps) / padded)

    def num_oversized(self) -> int:
        """Examples that do not fit into the budget of a micro-batch even alone."""
        costs = self.plan.budget.costs(self.shortest_windows, self.tokens)
        return int(np.count_nonzero(costs > 1))

    def _window(self, step: np.ndarray, number: int, context: float, tail: float) -> float:
        """Seconds that a step is padded to; the epoch's `number`-th step, counted from 0."""
        plan = self.plan
        shortest = float(self.shortest_windows[step].max())
        if context < plan.full_share:
            return WINDOW_SECONDS
        window = shortest
        if context < plan.full_context_share:
            window += tail * (WINDOW_SECONDS - shortest)
        trained = self.epoch * self.num_steps + number
        if trained < plan.warmup_steps:
            remaining = 1 - trained / plan.warmup_steps
            window = max(window, shortest + remaining * (WINDOW_SECONDS - shortest))
        return window

    def __iter__(self) -> Iterator[list[ExampleKey]]:
        plan = self.plan
        for step, window in self.steps():
            parts = np.array_split(step, plan.parts)
            for number in range(plan.accumulation):
                part = parts[number * plan.num_processes + plan.rank]
                indices = part.tolist() or [PADDING_EXAMPLE]
                yield [ExampleKey(index, self.epoch, window) for index in indices]


def _evenly(number: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers in [0, 1) in random order, `1 / number` apart: float64 `(number,)`."""
    return (rng.permutation(number) + rng.random()) / max(number, 1)


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
        replayed: whether it is there against forgetting.
    """

    samples: np.ndarray
    labels: Labels
    id: str
    window: float = WINDOW_SECONDS
    seed: tuple[int, ...] = (0,)
    failure: str | None = None
    replayed: bool = False


class Collator:
    """Examples to tensors.

    Args:
        log_mel: features of the model.
        pad_token: id that fills the decoder input; it is never looked at.
        augmenter: masks features if given.
        margin: seconds of silence that a window keeps after its longest clip, up to 30 s.
        fixed_windows: round windows up to the dozen lengths that layers are compiled for.
    """

    def __init__(
        self,
        log_mel: LogMel,
        pad_token: int,
        augmenter: Augmenter | None = None,
        margin: float = 0.0,
        *,
        fixed_windows: bool = False,
    ) -> None:
        self.log_mel = log_mel
        self.pad_token = pad_token
        self.augmenter = augmenter
        self.margin = margin
        self.fixed_windows = fixed_windows

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """One micro-batch.

        Returns:
            `input_features` float32 `(B, M, F)`, `decoder_input_ids` int64 `(B, T)`, `labels`
            int64 `(B, T)` with -100 where no loss is wanted, `replayed` bool `(B,)` if an example
            is there against forgetting, and what the trainer takes out again: `failures`, a list of
            (id, reason), `utterances`, B pairs of (id, seconds), and `audio_seconds`.
        """
        lengths = [len(example.samples) for example in examples]
        longest = max(lengths) + round(self.margin * SAMPLE_RATE)
        frames = window_frames(max(longest, round(max(e.window for e in examples) * SAMPLE_RATE)))
        frames = compiled_window(frames) if self.fixed_windows else frames
        features = self.log_mel(pad_samples([e.samples for e in examples], frames))
        if self.augmenter is not None:
            self._mask(features, examples, lengths)
        replayed = torch.tensor([example.replayed for example in examples])
        return {
            **({"replayed": replayed} if replayed.any() else {}),
            "input_features": features,
            **pad_labels([example.labels for example in examples], self.pad_token),
            "failures": [(e.id, e.failure) for e in examples if e.failure],
            "utterances": [(e.id, len(e.samples) / SAMPLE_RATE) for e in examples],
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
