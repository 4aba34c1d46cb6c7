"""The Trainer's own settings, from those of a run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import TrainingArguments
from transformers.integrations import integration_utils as integrations

from utils.cli.console import process_count
from utils.data.batching import BatchPlan
from utils.model.precision import choose_precision, warn_if_slow
from utils.training.memory.plan import optimizer_name
from utils.training.resume.start import Start
from utils.training.settings.common import TrainSettings
from utils.training.settings.selection import check_trackers

Settings = TypeVar("Settings", bound=TrainSettings)

MOST_EVALUATIONS, MOST_LOG_LINES = 10, 50
"""About so many in a run for which nobody says more."""
WARMUP_SHARE, MOST_WARMUP = 0.1, 50
"""Share of a run over which the learning rate rises, and the most steps that it takes."""
DEV_SHARE = 0.1
"""Share of a run's time that its dev scores may take, where nobody says how often."""
DEV_COST = 0.75
"""What scoring a dev clip costs, relative to training on it once: LoRA on whisper-base with one
core takes 0.7 s a clip to train and 0.5 s to transcribe and to compute the loss."""
MOST_STEPS_WITHOUT, MOST_STEPS_UNLOGGED = 1000, 100
"""Steps after which a checkpoint, and a log line, are written at the latest."""


def training_arguments(settings: TrainSettings, run: Path) -> TrainingArguments:
    """The Trainer's own settings; building them also joins the process group."""
    precision = choose_precision(settings.fp16, settings.bf16)
    warn_if_slow(precision)
    if settings.trackers:
        known = list(integrations.INTEGRATION_TO_CALLBACK)
        installed = integrations.get_available_reporting_integrations()
        check_trackers(settings.trackers, known, installed)
    on_cpu = not torch.cuda.is_available() and not torch.backends.mps.is_available()
    return TrainingArguments(
        output_dir=str(run),
        per_device_train_batch_size=settings.per_device_train_batch_size,
        per_device_eval_batch_size=settings.per_device_eval_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate or 0.0,
        warmup_steps=settings.warmup_steps or 0,
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        logging_nan_inf_filter=False,
        eval_strategy="steps",
        eval_steps=MOST_STEPS_WITHOUT,  # until `complete_arguments`
        save_strategy="steps",
        save_total_limit=settings.save_total_limit,
        dataloader_num_workers=settings.num_workers,
        fp16=precision.fp16,
        bf16=precision.bf16,
        optim=optimizer_name(settings.optim),
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and process_count() > 1 else None,
        # Layers that are left out of a step get no gradient. And without this search DDP orders its
        # buckets anew after the first step, also of a continued run: three processes or more would
        # then add the same gradients up in another order than a run left alone.
        ddp_find_unused_parameters=settings.layer_drop > 0 or process_count() > 2,
        remove_unused_columns=False,
        report_to=settings.trackers,
        disable_tqdm=True,
        seed=settings.seed,
        data_seed=settings.seed,
        restore_callback_states_from_checkpoint=True,
    )


def with_pace(settings: Settings, total: int, in_a_pass: int, dev_share: float = 0.0) -> Settings:
    """The settings with how often a run is scored, saved and logged, where they do not say so.

    Args:
        settings: of the run.
        total: optimizer steps of the whole run.
        in_a_pass: of them, those of one pass over the data.
        dev_share: clips of the dev set by those of a pass.
    """
    often = max(1, min(total // MOST_EVALUATIONS, in_a_pass))
    rare = 1
    if dev_share:
        affordable = int(DEV_SHARE * (total / in_a_pass) / (DEV_COST * dev_share))
        # The score before the first step is one of them.
        rare = math.ceil(total / max(affordable - settings.eval_on_start, 1))
    scored = settings.eval_steps or min(max(often, rare), in_a_pass)
    saved = settings.save_steps or min(settings.eval_steps or often, MOST_STEPS_WITHOUT)
    logged = settings.logging_steps or max(1, min(total // MOST_LOG_LINES, MOST_STEPS_UNLOGGED))
    if settings.warmup_steps is None:
        settings = replace(settings, warmup_steps=min(MOST_WARMUP, round(WARMUP_SHARE * total)))
    return replace(settings, eval_steps=scored, save_steps=saved, logging_steps=logged)


def complete_arguments(
    arguments: TrainingArguments,
    settings: TrainSettings,
    config: Any,
    plan: BatchPlan,
    start: Start,
) -> None:
    """Fill in what only the model, the memory and the start of the run decide.

    Args:
        arguments: of `training_arguments`, which had to come before the model; changed in place.
        settings: of the run, with its pace.
        config: the Whisper's.
        plan: how steps are cut, as they fit into memory.
        start: where the run begins.
    """
    arguments.learning_rate = settings.highest_rate(config.d_model)
    arguments.gradient_accumulation_steps = plan.accumulation
    arguments.warmup_steps = settings.warmup_steps or 0
    arguments.eval_steps = settings.eval_steps
    arguments.save_steps = settings.save_steps
    arguments.logging_steps = settings.logging_steps
    arguments.eval_on_start = settings.eval_on_start and start.checkpoint is None
