"""A fine-tuning run, phase by phase, whatever is trainable."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers.trainer_utils import set_seed

from utils.audio.cache import discard_cache
from utils.cli.config import save_settings
from utils.cli.console import is_main_process, say, say_result, warn
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.data.batching import StepSampler
from utils.data.dataset import SpeechDataset
from utils.manifest.languages import language_code
from utils.model.adapters.attach import count_parameters
from utils.model.adapters.base_digest import expect_base
from utils.model.compilation import compile_layers
from utils.model.distributed import barrier, on_main_process, share_cores
from utils.model.folders import BEST, FINAL, clear_run, model_name
from utils.model.hub.publish import publish
from utils.model.hub.upload import expect_hub
from utils.model.load import load_model, with_digest
from utils.model.loaded import LoadedModel
from utils.model.new_tokens import add_tokens, read_tokens
from utils.model.precision import choose_precision
from utils.training.arguments import complete_arguments, training_arguments, with_pace
from utils.training.audio_context.feature_matching import (
    FeatureMatchingOptions,
    match_features,
    say_distances,
)
from utils.training.audio_context.plan import batch_plan, describe_steps, make_sampler, with_context
from utils.training.audio_context.probe import settled_context
from utils.training.best_average import BestAverage
from utils.training.build import make_trainer
from utils.training.data import RunData, read_augmenter, read_data, read_manifests
from utils.training.dev_set import choice_that_loops_made
from utils.training.generation_settings import allow_what_is_taught
from utils.training.memory.plan import fit_to_memory
from utils.training.rate_search import (
    find_learning_rate,
    settings_of_search,
    tell,
    without_saving,
)
from utils.training.requests import refuse_what_is_not_there
from utils.training.resume.identity import run_identity, write_run_file
from utils.training.resume.sounds import sounds_of, write_sounds_file
from utils.training.resume.start import Start, choose_start, refuse_foreign_folder, sole_writer
from utils.training.resume.state import cut_as_before
from utils.training.settings.common import TrainSettings
from utils.training.sharding.launch import describe_sharing, refuse_unshardable, sharing_asked_for
from utils.training.sharding.zero import keep_models_whole
from utils.training.trainer import WhisperTrainer

if TYPE_CHECKING:
    from transformers import TrainingArguments

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
    if settings.find_learning_rate:
        settings = settings_of_search(settings)
    arguments = join_processes(settings, run)
    if settings.language is not None:
        settings = replace(settings, language=language_code(settings.language))
    if not settings.find_learning_rate:
        refuse_foreign_folder(run, settings)
    repository = on_main_process(lambda: expect_hub(settings))
    loaded, data = read_inputs(settings)
    if settings.find_learning_rate:
        search(settings, without_saving(arguments), loaded, data, make_trainable)
        return run
    sounds = sounds_of(data) if is_main_process() else {}
    identity = on_main_process(lambda: run_identity(settings, loaded, data, sounds))
    # All that the user can get wrong is known by now; only from here on are files touched.
    with sole_writer(run):
        start = choose_start(run, settings, identity, sounds)
        if start.finished:
            say_result(
                f"finished     {run / FINAL} was written by this very command; nothing to do"
            )
            publish(run / BEST, settings.base_model, repository, settings)
            return run
        if start.checkpoint is not None:
            expect_base(Path(start.checkpoint), settings.base_model, loaded.digest)
        if is_main_process():
            begin_run(settings, run, start, data)
            write_sounds_file(run, sounds)
            write_run_file(run, identity, finished=False)
        barrier()
        trainer = prepare(settings, start, arguments, loaded, data, make_trainable, identity)
        train(settings, trainer, start)
        finish(settings, trainer)
        if is_main_process():
            write_run_file(run, identity, finished=True)
        publish(run / BEST, settings.base_model, repository, settings)
    return run


def join_processes(settings: TrainSettings, run: Path) -> TrainingArguments:
    """Join the other processes as the launcher asks, and return the Trainer's own settings.

    Raises:
        UserError: if the settings cannot go with what the launcher asks for.
    """
    share_cores()
    sharing = sharing_asked_for()
    refuse_what_is_not_there(settings)
    refuse_unshardable(sharing, settings)
    arguments = training_arguments(settings, run)
    keep_models_whole(sharing)
    return arguments


def read_inputs(settings: TrainSettings) -> tuple[LoadedModel, RunData]:
    """The base model, and what it is trained on and scored by.

    Raises:
        UserError: if one of them cannot be used.
    """
    manifests = read_manifests(settings)
    augmenter = read_augmenter(settings.augment_config_path)
    loaded = with_context(settings, load_base(settings))
    data = read_data(settings, loaded, manifests, augmenter)
    allow_what_is_taught(settings, loaded, data.train, augmenter)
    return loaded, data


def load_base(settings: TrainSettings) -> LoadedModel:
    """The base model, with the tokens that it is to have.

    Raises:
        UserError: if it cannot be loaded or is an adapter, or if the tokens cannot be added.
    """
    if Path(settings.base_model, "adapter_config.json").is_file():
        raise UserError(
            f"--base_model={settings.base_model} is an adapter, not a whole model",
            f"Merge it first: python merge_lora.py --lora_model={settings.base_model}",
        )
    loaded = load_model(
        settings.base_model,
        local_files_only=settings.local_files_only,
        use_8bit=settings.use_8bit,
        use_4bit=settings.use_4bit,
    )
    loaded = with_digest(loaded, local_files_only=settings.local_files_only)
    if settings.add_tokens is None:
        return loaded
    return add_tokens(loaded, read_tokens(settings.add_tokens))


def search(
    settings: TrainSettings,
    arguments: TrainingArguments,
    loaded: LoadedModel,
    data: RunData,
    make_trainable: MakeTrainable,
) -> None:
    """Look for a learning rate in place of training."""
    trainer = prepare(settings, Start(), arguments, loaded, data, make_trainable)
    tell(find_learning_rate(trainer), trainer.run)


def begin_run(settings: TrainSettings, run: Path, start: Start, data: RunData) -> None:
    """Make the run's folder ready: settings, and the list of what is left out."""
    run.mkdir(parents=True, exist_ok=True)
    if start.checkpoint is None:
        clear_run(run)
    # One that was left by a killed run may be of other data.
    discard_cache(run)
    save_settings(settings, run / "settings.yaml")
    with atomic_write(run / "dropped.jsonl") as file:
        for name, table in (("train", data.train), ("dev", data.dev)):
            for dropped in table.dropped:
                line = {"set": name, "id": dropped.id, "reason": dropped.reason}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def prepare(
    settings: TrainSettings,
    start: Start,
    arguments: TrainingArguments,
    loaded: LoadedModel,
    data: RunData,
    make_trainable: MakeTrainable,
    identity: dict[str, Any] | None = None,
) -> WhisperTrainer:
    """Make the model trainable and put its trainer together."""
    loaded = settled_context(settings, loaded, data, start.checkpoint)
    set_seed(settings.seed)  # data order and augmentation have seeds of their own
    sampler = make_sampler(data.train, batch_plan(settings, loaded), data.augmenter)
    total = total_steps(settings, sampler)
    settings = with_pace(settings, total, sampler.num_steps, len(data.dev) / len(data.train))
    loaded = make_trainable(loaded, total)
    memory = fit_to_memory(settings, loaded, sampler)
    if settings.auto_batch and start.checkpoint is not None:
        memory = replace(memory, plan=cut_as_before(memory.plan, Path(start.checkpoint)))
    if settings.use_compile:
        compile_layers(loaded.model)
    describe(settings, loaded, data)
    describe_steps(sampler)
    if not settings.find_learning_rate:
        describe_pace(settings, total)
        if is_main_process():
            save_settings(settings, Path(arguments.output_dir) / "settings.yaml")  # as it is used
    complete_arguments(arguments, settings, loaded.whisper.config, memory.plan, start)
    return make_trainer(settings, arguments, loaded, memory, data, start, identity)


def total_steps(settings: TrainSettings, sampler: StepSampler) -> int:
    """Optimizer steps of the whole run."""
    if settings.max_steps > 0:
        return settings.max_steps
    return math.ceil(sampler.num_steps * settings.num_train_epochs)


def describe(settings: TrainSettings, loaded: LoadedModel, data: RunData) -> None:
    """Say what is about to happen."""
    trainable, total = count_parameters(loaded.model)
    hours = float(data.train.durations.sum()) / 3600
    precision = choose_precision(settings.fp16, settings.bf16).name
    say(
        f"base model   {settings.base_model} ({total / 1e6:.1f} M parameters, "
        f"{trainable / 1e6:.2f} M trainable)"
    )
    say(f"train        {settings.train_data}: {len(data.train)} utterances, {hours:.2f} h")
    say(f"dev          {settings.dev_data or settings.test_data}: {len(data.dev)} utterances")
    sharing = describe_sharing(sharing_asked_for())
    say(f"compute      {sharing}, {precision}, audio context {loaded.audio_context}")


def describe_pace(settings: TrainSettings, total: int) -> None:
    """Say how long the run is, and how often it is scored, saved and logged."""
    say(
        f"schedule     {total} steps, {settings.warmup_steps} of them warm-up; scored every "
        f"{settings.eval_steps}, saved every {settings.save_steps}, logged every "
        f"{settings.logging_steps}"
    )


def train(settings: TrainSettings, trainer: WhisperTrainer, start: Start) -> None:
    """Train from the first step or from a checkpoint.

    Raises:
        Stopped: if a signal ended it.
    """
    if settings.context_match_steps and start.checkpoint is None:
        match(settings, trainer)  # a checkpoint holds what was matched
    trainer.train(resume_from_checkpoint=start.checkpoint)
    step = int(trainer.state.global_step)
    if trainer.interruption is not None:
        trainer.interruption.raise_if_stopped(step, str(trainer.run / f"checkpoint-{step}"))


def match(settings: TrainSettings, trainer: WhisperTrainer) -> None:
    """Match the encoder's features on a variable-length audio context to those on 30 s."""
    options = FeatureMatchingOptions(
        steps=settings.context_match_steps,
        learning_rate=trainer.args.learning_rate,
        max_grad_norm=settings.max_grad_norm,
        num_workers=settings.num_workers,
        bf16=trainer.args.bf16,
    )
    dataset = trainer.train_dataset
    assert isinstance(dataset, SpeechDataset)
    say_distances(match_features(trainer.loaded, dataset, trainer.plan, options))


def finish(settings: TrainSettings, trainer: WhisperTrainer) -> None:
    """Score the last step if it was not, write the final weights, and say where everything is."""
    state = trainer.state
    if trainer.last_evaluated_step != state.global_step or state.best_metric is None:
        trainer.evaluate()
    run = trainer.run
    trainer.write_model_folder(FINAL)
    average = BestAverage.of(trainer)
    average_is_best = average is not None and average.choose()
    if is_main_process():
        discard_cache(run)
    barrier()
    if trainer.skipped_steps.total:
        warn(f"steps without a usable gradient, which were skipped: {trainer.skipped_steps.total}")
    warn_of_failures(trainer.all_failures())
    decided = choice_that_loops_made(state.log_history, trainer.dev.metric)
    if decided is not None:
        warn(decided)
    metric = trainer.dev.metric.upper()
    place = "the average" if average_is_best else f"step {state.best_global_step}"
    say_result(f"best         {run / BEST}: dev {metric} {state.best_metric:.2%} at {place}")
    if state.best_global_step == 0 and not average_is_best:
        say_nothing_improved(trainer)
    say_result(f"final        {run / FINAL}")


def say_nothing_improved(trainer: WhisperTrainer) -> None:
    """Say that no evaluation was better than the base model's, and what to try."""
    name = f"dev_{trainer.dev.metric}"
    state, metric = trainer.state, trainer.dev.metric.upper()
    scored = [e for e in state.log_history if name in e and e["step"] > 0]
    lowest = min(scored, key=lambda event: event[name])
    warn(
        f"training did not improve on the base: dev {metric} {state.best_metric:.2%} before the "
        f"first step, {lowest[name]:.2%} at best after it (step {lowest['step']}); "
        f"{BEST} is the base itself. Try a lower --learning_rate (--find_learning_rate=True looks "
        "for one), more steps (--num_train_epochs), and check_data.py on the training set: its "
        "language, texts and sound must be like those of the dev set"
    )


def warn_of_failures(failures: dict[str, str]) -> None:
    """Say at the end of a run which files could not be read."""
    if failures:
        shown = "\n".join(f"  {name}: {reason}" for name, reason in list(failures.items())[:5])
        more = f"\n  ... and {len(failures) - 5} more" if len(failures) > 5 else ""
        warn(f"{len(failures)} utterances could not be read and were left out:\n{shown}{more}")
