"""Encoder feature matching, before the training: the same states without the silence.

A pretrained Whisper was only ever trained on speech followed by silence up to 30 s, and stumbles at
first when the silence is gone. Here its own states on windows of 30 s are the targets for its
states on a variable-length audio context, so no transcript is needed and nothing else is learned:
self-distillation for short windows, as futo-org/whisper-acft does it for on-device models.

B examples in a micro-batch, F mel frames, M mel bins, P encoder positions (20 ms each), D width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import DataLoader

from utils.audio.features import (
    HOP_LENGTH,
    SAMPLE_RATE,
    WINDOW_FRAMES,
    LogMel,
    pad_samples,
    window_frames,
)
from utils.cli.console import say
from utils.cli.errors import UserError
from utils.cli.progress import progress
from utils.data.batching import BatchPlan, Example, StepSampler
from utils.data.dataset import SpeechDataset
from utils.data.labels import IGNORED
from utils.model.distributed import sum_over_processes
from utils.model.loaded import LoadedModel

SAMPLES_PER_POSITION = 2 * HOP_LENGTH
TEACHER_SLICE = 8  # 30 s windows at once: batches of shorter windows may hold far more
WARMUP_SHARE = 0.1  # of the steps, over which the learning rate rises
FIGURES_OVER = 10  # steps over which the figures of the last message are averaged


@dataclass(frozen=True)
class FeatureMatchingOptions:
    """How the matching is done.

    Attributes:
        steps: optimizer steps.
        learning_rate: the highest; it rises, then falls linearly to 0.
        max_grad_norm: longer gradients are shortened to this norm.
        num_workers: processes that read audio.
        bf16: whether to compute in bfloat16.
    """

    steps: int
    learning_rate: float
    max_grad_norm: float = 1.0
    num_workers: int = 0
    bf16: bool = False


@dataclass(frozen=True)
class ContextPair:
    """A micro-batch in two windows.

    Attributes:
        full: float32 `(B, M, 3000)`, padded to 30 s.
        short: float32 `(B, M, F)`, padded to the step's window alone.
        positions: encoder positions that hold speech, of each example; 0 for padding examples.
    """

    full: torch.Tensor
    short: torch.Tensor
    positions: list[int]


class PairCollator:
    """Collates examples into the two windows that are compared.

    Args:
        log_mel: features of the model.
    """

    def __init__(self, log_mel: LogMel) -> None:
        self.log_mel = log_mel

    def __call__(self, examples: Sequence[Example]) -> ContextPair:
        """One micro-batch."""
        clips = [example.samples for example in examples]
        window = round(max(example.window for example in examples) * SAMPLE_RATE)
        frames = window_frames(max(window, *map(len, clips)))
        return ContextPair(
            self.log_mel(pad_samples(clips, WINDOW_FRAMES)),
            self.log_mel(pad_samples(clips, frames)),
            [
                -(-len(example.samples) // SAMPLES_PER_POSITION)
                if any(label != IGNORED for label in example.labels.labels)
                else 0
                for example in examples
            ],
        )


class FeatureMatcher:
    """Brings an encoder's states without silence close to those of the model it began as.

    Args:
        loaded: the model with what is trainable in it; an adapter's teacher is its base, that of
            a whole model a copy.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.encoder = loaded.whisper.model.encoder
        self.parameters = [p for p in self.encoder.parameters() if p.requires_grad]
        if not self.parameters:
            raise UserError(
                "--context_match_steps trains the encoder, and none of it is trainable",
                "Leave out --freeze_encoder, or the matching.",
            )
        self.without_adapter: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.teacher: nn.Module = self.encoder
        if hasattr(loaded.model, "disable_adapter"):
            self.without_adapter = loaded.model.disable_adapter
        else:
            self.teacher = copy.deepcopy(self.encoder).requires_grad_(False)

    @torch.no_grad()
    def targets(self, pair: ContextPair) -> torch.Tensor:
        """States of the unchanged model on 30 s windows, float `(B, 1500, D)`."""
        device = self.parameters[0].device
        was_training = self.teacher.training
        self.teacher.eval()
        with self.without_adapter():
            slices = pair.full.split(TEACHER_SLICE)
            states = [self.teacher(each.to(device)).last_hidden_state for each in slices]
        self.teacher.train(was_training)
        return torch.cat(states)

    def distance_sum(self, pair: ContextPair) -> torch.Tensor:
        """Squared difference of the states, mean over D, summed over the positions with speech."""
        targets = self.targets(pair)
        states = self.encoder(pair.short.to(targets.device)).last_hidden_state
        speech = torch.zeros(states.shape[:2], device=states.device)
        for row, number in enumerate(pair.positions):
            speech[row, :number] = 1.0
        difference = states.float() - targets[:, : states.shape[1]].float()
        return (difference.square().mean(-1) * speech).sum()

    def step(self, pairs: Sequence[ContextPair]) -> float:
        """Gradients of a whole step's mean distance, the same on every process.

        Args:
            pairs: this process's micro-batches of the step.

        Returns:
            The mean squared difference over all positions with speech, of all processes.
        """
        (positions,) = sum_over_processes(float(sum(sum(pair.positions) for pair in pairs)))
        positions = max(positions, 1.0)
        total = 0.0
        for pair in pairs:
            distance = self.distance_sum(pair) / positions
            distance.backward()
            total += distance.item()
        self._sum_gradients()
        return sum_over_processes(total)[0]

    def _sum_gradients(self) -> None:
        if not dist.is_initialized():
            return
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)


def match_features(
    loaded: LoadedModel, dataset: SpeechDataset, plan: BatchPlan, options: FeatureMatchingOptions
) -> list[float]:
    """Match an encoder's states without silence to its own on windows of 30 s.

    Deterministic from the plan's seed, and the same for any number of processes.

    Args:
        loaded: the model, on its device; its trainable encoder weights are changed in place.
        dataset: what is trained on later.
        plan: how the steps of the training are cut; the matching counts its batches by
            `micro_batch`, since its targets need 30 s windows.
        options: how.

    Returns:
        The mean squared difference of the states at each step, before it moved the weights.

    Raises:
        UserError: if nothing of the encoder is trainable.
    """
    matcher = FeatureMatcher(loaded)
    optimizer = torch.optim.AdamW(matcher.parameters, lr=options.learning_rate, weight_decay=0.0)
    rising = max(1, round(WARMUP_SHARE * options.steps))
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda n: min((n + 1) / rising, (options.steps - n) / options.steps)
    )
    was_training = loaded.model.training
    loaded.model.train()
    distances = []
    steps = _steps(dataset, plan, loaded.log_mel, options)
    bar = progress(steps, total=options.steps, desc="matching features", unit="step")
    with torch.autocast(loaded.whisper.device.type, torch.bfloat16, enabled=options.bf16):
        for pairs in bar:
            distances.append(matcher.step(pairs))
            nn.utils.clip_grad_norm_(matcher.parameters, options.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
    loaded.model.train(was_training)
    return distances


def _steps(
    dataset: SpeechDataset, plan: BatchPlan, log_mel: LogMel, options: FeatureMatchingOptions
) -> Iterator[list[ContextPair]]:
    """This process's micro-batches, as many steps as asked for."""
    plan = replace(
        plan, full_share=0.0, tail_share=0.0, warmup_steps=0, batch_seconds=None, batch_tokens=None
    )
    augmenter = dataset.augmenter
    stretch = augmenter.longest_stretch if augmenter is not None else 1.0
    sampler = StepSampler(dataset.table.durations * stretch, plan)
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=PairCollator(log_mel),
        num_workers=options.num_workers,
    )
    done, epoch = 0, 0
    while done < options.steps:
        sampler.set_epoch(epoch)
        batches = iter(loader)
        for _ in range(min(sampler.num_steps, options.steps - done)):
            yield list(islice(batches, plan.accumulation))
            done += 1
        epoch += 1


def say_distances(distances: Sequence[float]) -> None:
    """Say how far the states were apart at the beginning and are at the end."""
    few = max(1, min(FIGURES_OVER, len(distances) // 2))
    first, last = sum(distances[:few]) / few, sum(distances[-few:]) / few
    say(
        f"matching     {len(distances)} steps: mean squared difference of the encoder's states "
        f"from those on windows of 30 s {first:.4f} -> {last:.4f}"
    )
