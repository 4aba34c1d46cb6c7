"""A fine-tuning run, phase by phase, whatever is trainable."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.console import is_main_process, process_count, say
from utils.cli.files import atomic_write
from utils.cli.settings import save_settings
from utils.manifest.languages import language_code
from utils.model.adapters import count_parameters
from utils.model.compilation import compile_layers
from utils.model.distributed import barrier
from utils.model.folders import FINAL, clear_run, model_name, prepare_run, write_folder
from utils.model.load import LoadedModel, load_model
from utils.model.new_tokens import add_tokens, read_tokens
from utils.model.precision import choose_precision
from utils.speech.audio_cache import discard_cache
from utils.speech.batching import StepSampler
from utils.speech.dataset import SpeechDataset, TrainingTable
from utils.training.arguments import training_arguments
from utils.training.assembly import make_trainer
from utils.training.context import batch_plan, describe_steps, make_sampler, with_context
from utils.training.data import read_augmenter, read_manifests, tables
from utils.training.kinds import full_learning_rate
from utils.training.matching import MatchOptions, match_context, say_distances
from utils.training.memory_plan import fit_to_memory
from utils.training.settings import TrainSettings
from utils.training.trainer import WhisperTrainer, seed_everything, warn_of_failures

if TYPE_CHECKING:
    pass

MakeTrainable = Callable[[LoadedModel, int], LoadedModel]
"""Model and total optimizer steps -> the model with what is to be trained."""


def finetune(settings: TrainSettings, make_trainable: MakeTrainable) -> Path:
    """Fine-tune a Whisper from start to end.

    Args:
        settings: of the run.
        make_trainable: freezes and attaches; what the two scripts differ in.

    Returns:
        The run's folder, with `checkpoint-best/`, `checkpoint-final/` and `metrics.jsonl`.

    Raises:
        UserError: if the settings, the data or the model cannot be used.
    """
    run = Path(settings.output_dir, model_name(settings.base_model))
    arguments = training_arguments(settings, run)
    if settings.language is not None:
        settings = replace(settings, language=language_code(settings.language))
    manifest, dev_manifest = read_manifests(settings)
    resume = prepare_run(run, settings.resume_from_checkpoint, settings.overwrite_output_dir)
    augmenter = read_augmenter(settings.augment_config_path)
    loaded = load_model(
        settings.base_model,
        local_files_only=settings.local_files_only,
        use_8bit=getattr(settings, "use_8bit", False),
        use_4bit=getattr(settings, "use_4bit", False),
    )
    if settings.add_tokens is not None:
        loaded = add_tokens(loaded, read_tokens(settings.add_tokens))
    loaded = with_context(settings, loaded)
    train, dev = tables(settings, loaded, manifest, dev_manifest)
    # All that the user can get wrong is known by now; only from here on are files touched.
    if is_main_process():
        begin_run(settings, run, resume, [("train", train), ("dev", dev)])
    barrier()
    seed_everything(settings.seed)
    plan = batch_plan(settings, loaded)
    sampler = make_sampler(train, plan, augmenter)
    loaded = make_trainable(loaded, total_steps(settings, sampler))
    memory = fit_to_memory(settings, loaded, sampler)
    arguments.gradient_accumulation_steps = memory.plan.accumulation
    if settings.use_compile:
        compile_layers(loaded.model)
    describe(settings, loaded, train, dev)
    describe_steps(sampler)
    arguments.learning_rate = settings.learning_rate or full_learning_rate(
        loaded.whisper.config.d_model
    )
    arguments.eval_on_start = settings.eval_on_start and resume is None
    trainer = make_trainer(settings, arguments, loaded, memory.plan, (train, dev), augmenter)
    trainer.memory_guard.limit = memory.limit
    if settings.context_match_steps and resume is None:  # a checkpoint holds what was matched
        match(settings, trainer)
    trainer.train(resume_from_checkpoint=resume)
    return finish(settings, trainer)


def begin_run(
    settings: TrainSettings,
    run: Path,
    resume: str | None,
    named_tables: list[tuple[str, TrainingTable]],
) -> None:
    """Make the run's folder ready: settings, and the list of what is left out."""
    run.mkdir(parents=True, exist_ok=True)
    if resume is None:
        clear_run(run)
    # One that was left by a killed run may be of other data.
    discard_cache(run)
    save_settings(settings, run / "settings.yaml")
    with atomic_write(run / "dropped.jsonl") as file:
        for name, table in named_tables:
            for dropped in table.dropped:
                line = {"set": name, "id": dropped.id, "reason": dropped.reason}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def total_steps(settings: TrainSettings, sampler: StepSampler) -> int:
    """Optimizer steps of the whole run."""
    if settings.max_steps > 0:
        return settings.max_steps
    return math.ceil(sampler.num_steps * settings.num_train_epochs)


def describe(
    settings: TrainSettings,
    loaded: LoadedModel,
    train: TrainingTable,
    dev: TrainingTable,
) -> None:
    """Say what is about to happen."""
    trainable, total = count_parameters(loaded.model)
    hours = sum(train.durations) / 3600
    precision = choose_precision(settings.fp16, settings.bf16).name
    say(
        f"base model   {settings.base_model} ({total / 1e6:.1f} M parameters, "
        f"{trainable / 1e6:.2f} M trainable)"
    )
    say(f"train        {settings.train_data}: {len(train)} utterances, {hours:.2f} h")
    say(f"dev          {settings.dev_data or settings.test_data}: {len(dev)} utterances")
    context = loaded.audio_context
    say(f"compute      {process_count()} process(es), {precision}, audio context {context}")


def match(settings: TrainSettings, trainer: WhisperTrainer) -> None:
    """Let the encoder learn on cut windows what it knows on 30 s ones."""
    options = MatchOptions(
        steps=settings.context_match_steps,
        learning_rate=trainer.args.learning_rate,
        max_grad_norm=settings.max_grad_norm,
        num_workers=settings.num_workers,
        bf16=trainer.args.bf16,
    )
    dataset = trainer.train_dataset
    assert isinstance(dataset, SpeechDataset)
    say_distances(match_context(trainer.loaded, dataset, trainer.plan, options))


def finish(settings: TrainSettings, trainer: WhisperTrainer) -> Path:
    """Score the last step if it was not, write the final weights, and say where everything is."""
    if trainer.last_evaluated_step != trainer.state.global_step:
        trainer.evaluate()
    run = trainer.run
    if is_main_process():
        with trainer.averaged():
            write_folder(run / FINAL, trainer._write_model)
        discard_cache(run)
    barrier()
    warn_of_failures(trainer.all_failures())
    metric = trainer.dev.metric.upper()
    say(
        f"best         {run / 'checkpoint-best'}: dev {metric} {trainer.state.best_metric:.2%} "
        f"at step {trainer.state.best_global_step}"
    )
    say(f"final        {run / FINAL}")
    if settings.push_to_hub:
        trainer.push_to_hub(commit_message="Fine-tuned weights")
    return run
