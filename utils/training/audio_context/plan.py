"""How much window a run's steps get, from the settings and from what the base model is used to."""

from __future__ import annotations

from dataclasses import replace

from utils.audio.augmentation.pipeline import Augmenter
from utils.cli.console import process_count, process_rank, say, warn
from utils.cli.errors import UserError
from utils.data.batching import BatchPlan, StepSampler
from utils.data.dataset import TrainingTable
from utils.model.loaded import LoadedModel, stated_context
from utils.training.audio_context.probe import UNDECIDED
from utils.training.settings.common import TrainSettings


def with_context(settings: TrainSettings, loaded: LoadedModel) -> LoadedModel:
    """The model with the audio context that it is trained for and will be saved with.

    As asked for, else as the base model states it, else UNDECIDED until `settled_context`.

    Raises:
        UserError: if a variable-length audio context is prepared for and not trained on.
    """
    context: str = settings.audio_context
    prepared = settings.context_match_steps or settings.context_warmup_steps
    if context == UNDECIDED:
        context = stated_context(loaded) or ("mixed" if prepared else UNDECIDED)
    if context in ("full", "thinned") and prepared:
        raise UserError(
            "--context_match_steps and --context_warmup_steps prepare a model for a "
            f"variable-length audio context; --audio_context={context} trains on windows of 30 s",
            "Give --audio_context=mixed or dynamic, or leave them out.",
        )
    margin = settings.context_margin
    if margin is None:
        margin = loaded.context_margin
    # Beside the weights, where every later save finds it.
    loaded.whisper.generation_config.context_margin = margin
    return replace(loaded, audio_context=context)


def batch_plan(settings: TrainSettings, loaded: LoadedModel) -> BatchPlan:
    """How steps are cut, for this process.

    Args:
        settings: of the run.
        loaded: the model as `with_context` gave it.
    """
    shares = {
        "full": (1.0, 0.0),
        "mixed": (settings.full_share, settings.tail_share),
        "dynamic": (0.0, 0.0),
        "thinned": (0.0, 0.0),
        UNDECIDED: (0.0, 0.0),  # only what a step holds is asked for so far
    }
    full_share, tail_share = shares[loaded.audio_context]
    return BatchPlan(
        micro_batch=settings.per_device_train_batch_size,
        accumulation=settings.gradient_accumulation_steps,
        num_processes=process_count(),
        rank=process_rank(),
        full_share=full_share,
        tail_share=tail_share,
        seed=settings.seed,
        batch_seconds=settings.batch_seconds,
        batch_tokens=settings.batch_tokens,
        margin=loaded.context_margin,
        warmup_steps=settings.context_warmup_steps,
    )


def make_sampler(
    table: TrainingTable, plan: BatchPlan, augmenter: Augmenter | None = None
) -> StepSampler:
    """The steps of a run.

    Args:
        table: what is trained on.
        plan: how steps are cut.
        augmenter: what changes the clips; their slowest speed must fit into the windows, so that
            all parts of a step share one.
    """
    stretch = augmenter.longest_stretch if augmenter is not None else 1.0
    return StepSampler(table.durations * stretch, plan, table.num_tokens)


def describe_steps(sampler: StepSampler) -> None:
    """Say how the data is cut into steps, and what does not fit."""
    plan = sampler.plan
    examples = len(sampler.durations)
    say(
        f"steps        {sampler.num_steps} a pass, {examples / sampler.num_steps:.1f} utterances "
        f"each on average; padding waste {sampler.padding_waste():.1%}"
    )
    too_large = sampler.num_oversized()
    if too_large:
        asked = f"--batch_seconds={plan.batch_seconds} --batch_tokens={plan.batch_tokens}"
        warn(
            f"{too_large} of {examples} utterances are longer than {asked} allows; each is a "
            "batch of its own. Raise the limit, or leave them out with --max_audio_len"
        )
