"""What a run does so that its steps fit into memory: checkpointing, and how steps are cut."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from utils.audio.clip import Seconds
from utils.audio.features import SAMPLE_RATE, WINDOW_SECONDS, window_frames
from utils.cli.console import say, warn
from utils.data.batching import BatchPlan, StepSampler
from utils.model.activations import checkpoint_activations
from utils.model.distributed import device_of_this_process, gather_all
from utils.model.loaded import LoadedModel
from utils.model.precision import choose_precision
from utils.training.memory.probe import GB, MemoryProbe, free_memory
from utils.training.settings.common import TrainSettings

OPTIMIZER_BYTES = {"adamw": 8, "adamw_8bit": 2}
"""Bytes of an optimizer's averages for each trained number."""
FLOATS_PER_POSITION = 100  # a layer's activations per position and unit of width, far above real
TRIFLE = 0.05  # steps that surely take less than this share of the memory are not probed


@dataclass(frozen=True)
class MemoryPlan:
    """How a run's steps are computed.

    Attributes:
        plan: how they are cut into micro-batches.
        limit: examples times frames that are computed at once, or None for whole micro-batches;
            batches by seconds or tokens keep their steps, and are computed in pieces.
    """

    plan: BatchPlan
    limit: int | None = None


def optimizer_name(optim: str) -> str:
    """The Trainer's name for a setting of `--optim`: fused where the device has it."""
    if optim == "adamw_8bit":
        return "adamw_bnb_8bit"
    return "adamw_torch" if torch.backends.mps.is_available() else "adamw_torch_fused"


def fit_to_memory(settings: TrainSettings, loaded: LoadedModel, sampler: StepSampler) -> MemoryPlan:
    """Turn checkpointing on if it is wanted or needed, and cut steps so that they fit.

    Args:
        settings: of the run.
        loaded: with what is trained attached; moved to this process's device if it is probed.
        sampler: the steps, whose longest window and most tokens must fit; their examples stay.

    Raises:
        Failure: if not even one example fits (with `--auto_batch`).
    """
    plan = sampler.plan
    if settings.gradient_checkpointing is True:
        checkpoint_activations(loaded.model)
    may_checkpoint = settings.gradient_checkpointing == "auto"
    window, tokens = longest_window(sampler), max(1, int(sampler.tokens.max()))
    asked = asked_at_once(plan, window, tokens)
    budget = round(settings.memory_budget * GB) if settings.memory_budget is not None else None
    if not settings.auto_batch and (
        not may_checkpoint or surely_fits(loaded, asked, window, budget)
    ):
        return MemoryPlan(plan)
    probe = make_probe(settings, loaded, tokens, budget)
    wanted = asked * (plan.accumulation if settings.auto_batch and plan.by_count else 1)
    needed = 1 if settings.auto_batch else asked
    fits = _on_every_process(probe, window, wanted)
    if fits < needed and may_checkpoint:
        checkpoint_activations(loaded.model)
        say(
            f"memory       {needed} x {window:.1f} s at once do not fit into "
            f"{probe.budget / GB:.2f} GB: activations are checkpointed"
        )
        fits = _on_every_process(probe, window, wanted)
    if settings.auto_batch:
        if not fits:
            raise probe.nothing_fits(window)
        say(f"memory       {fits} x {window:.1f} s at once fit into {probe.budget / GB:.2f} GB")
        return cut(plan, fits, wanted, window)
    if fits < needed:
        warn(
            f"{needed} x {window:.1f} s at once take more than {probe.budget / GB:.2f} GB; "
            "--auto_batch=True finds what fits"
        )
    return MemoryPlan(plan)


def make_probe(
    settings: TrainSettings, loaded: LoadedModel, tokens: int, budget: int | None
) -> MemoryProbe:
    """A probe of the model as the run will train it; a budget of None is a share of the free."""
    if not getattr(loaded.whisper, "is_quantized", False):
        loaded.model.to(device_of_this_process())
    return MemoryProbe(
        loaded.model,
        tokens=tokens,
        precision=choose_precision(settings.fp16, settings.bf16),
        optimizer_bytes=OPTIMIZER_BYTES[settings.optim],
        loss_chunk=settings.loss_chunk or 0,
        merge_stride=loaded.merge_stride,
        budget=budget,
    )


def asked_at_once(plan: BatchPlan, window: Seconds, tokens: int) -> int:
    """Examples of such a window and so many tokens in one micro-batch."""
    cost = plan.budget.costs(np.array([window]), np.array([tokens]))[0]
    return replace(plan.budget, parts=1).capacity(float(cost))


def cut(plan: BatchPlan, fits: int, wanted: int, window: Seconds) -> MemoryPlan:
    """The same steps in micro-batches, or pieces of them, that fit.

    Args:
        plan: as asked for.
        fits: examples of the longest window that fit at once.
        wanted: of them, in the largest micro-batch that there could be.
        window: the longest, in seconds.
    """
    if plan.by_count:
        return MemoryPlan(recut(plan, fits))
    frames = window_frames(round(window * SAMPLE_RATE))
    return MemoryPlan(plan, fits * frames if fits < wanted else None)


def recut(plan: BatchPlan, fits: int) -> BatchPlan:
    """The same steps in the fewest equal micro-batches of at most `fits` examples.

    Args:
        plan: by count; the examples of its steps are kept.
        fits: at least 1.
    """
    examples = plan.micro_batch * plan.accumulation
    micro_batch = max(n for n in range(1, min(fits, examples) + 1) if examples % n == 0)
    return replace(plan, micro_batch=micro_batch, accumulation=examples // micro_batch)


def longest_window(sampler: StepSampler) -> Seconds:
    """The window in which a whole micro-batch takes as much memory as the largest of this run."""
    plan = sampler.plan
    if plan.warmup_steps or (sampler.layout.num_full_context and not plan.by_count):
        return WINDOW_SECONDS
    longest = float(sampler.shortest_windows.max())
    if not sampler.layout.num_full_context:
        return longest
    # Full-context batches hold fewer clips than others: as much as all of them in a shorter window.
    clips = math.ceil(sampler.layout.full_context_size / plan.parts)
    return max(longest, WINDOW_SECONDS * clips / plan.micro_batch)


def surely_fits(
    loaded: LoadedModel, batch: int, window: Seconds, budget: int | None = None
) -> bool:
    """Whether a batch is so small beside the memory that trying it would be a waste of time."""
    whisper, frames = loaded.whisper, window_frames(round(window * SAMPLE_RATE))
    positions = whisper.positions(frames, loaded.merge_stride)
    layers = whisper.config.encoder_layers + whisper.config.decoder_layers
    floats = FLOATS_PER_POSITION * batch * positions * whisper.config.d_model * layers
    floats += 4 * sum(p.numel() for p in whisper.parameters() if p.requires_grad)
    memory = budget if budget is not None else free_memory(device_of_this_process())
    return 4 * floats < TRIFLE * memory


def _on_every_process(probe: MemoryProbe, window: Seconds, wanted: int) -> int:
    """What fits on the process with the least memory."""
    return min(gather_all([probe.largest_batch(window, wanted)]))
