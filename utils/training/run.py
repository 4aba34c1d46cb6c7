"""A fine-tuning run, phase by phase, whatever is trainable."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from transformers.trainer_utils import set_seed

from utils.audio.cache import discard_cache
from utils.audio.clip import Seconds
from utils.cli.console import is_main_process, say, warn
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.flags import save_settings
from utils.data.batching import StepSampler
from utils.data.dataset import SpeechDataset, TrainingTable
from utils.data.labels import LAST_TIMESTAMP, TIMESTAMP_STEP
from utils.manifest.languages import language_code
from utils.model.adapters.attach import count_parameters
from utils.model.adapters.base_digest import expect_base
from utils.model.compilation import compile_layers
from utils.model.distributed import barrier, on_main_process
from utils.model.folders import FINAL, clear_run, model_name
from utils.model.load import load_model, with_digest
from utils.model.loaded import LoadedModel
from utils.model.new_tokens import add_tokens, read_tokens
from utils.model.precision import choose_precision
from utils.training.arguments import training_arguments
from utils.training.audio_context.feature_matching import (
    FeatureMatchingOptions,
    match_features,
    say_distances,
)
from utils.training.audio_context.plan import batch_plan, describe_steps, make_sampler, with_context
from utils.training.audio_context.probe import settled_context
from utils.training.best_average import BestAverage
from utils.training.build import make_trainer
from utils.training.data import read_augmenter, read_manifests, tables
from utils.training.launch import describe_sharing, refuse_unshardable, sharing_asked_for
from utils.training.memory.plan import fit_to_memory
from utils.training.rate_search import (
    find_learning_rate,
    settings_of_search,
    tell,
    without_saving,
)
from utils.training.resume.identity import run_identity, write_run_file
from utils.training.resume.start import Start, choose_start, refuse_foreign_folder, sole_writer
from utils.training.resume.state import cut_as_before
from utils.training.settings.common import TrainSettings
from utils.training.settings.runs import full_learning_rate
from utils.training.sharding import keep_models_whole
from utils.training.trainer import WhisperTrainer, warn_of_failures

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from utils.audio.augmentation.pipeline import Augmenter

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
    searching = settings.find_learning_rate
    settings = settings_of_search(settings) if searching else settings
    sharing = sharing_asked_for()
    refuse_unshardable(sharing, settings)
    arguments = training_arguments(settings, run)
    keep_models_whole(sharing)
    if settings.language is not None:
        settings = replace(settings, language=language_code(settings.language))
    if not searching:
        refuse_foreign_folder(run, settings)
    manifest, dev_manifest = read_manifests(settings)
    augmenter = read_augmenter(settings.augment_config_path)
    loaded = with_context(settings, load_base(settings))
    train, dev = tables(settings, loaded, manifest, dev_manifest)
    if train.teaches_silence:
        allow_silence(loaded)
    if settings.timestamps:
        allow_late_starts(loaded, latest_start(settings, train, augmenter))
    data = (train, dev, augmenter)
    if searching:
        search(settings, without_saving(arguments), loaded, data, make_trainable)
        return run
    identity = on_main_process(
        lambda: run_identity(settings, loaded, (manifest, dev_manifest), (train, dev))
    )
    # All that the user can get wrong is known by now; only from here on are files touched.
    with sole_writer(run):
        start = choose_start(run, settings, identity)
        if start.finished:
            say(f"finished     {run / FINAL} was written by this very command; nothing to do")
            return run
        if start.checkpoint is not None:
            expect_base(Path(start.checkpoint), settings.base_model, loaded.digest)
        if is_main_process():
            begin_run(settings, run, start, [("train", train), ("dev", dev)])
            write_run_file(run, identity, finished=False)
        barrier()
        loaded = settled_context(settings, loaded, (train, dev), start.checkpoint)
        trainer = prepare(settings, start, arguments, loaded, data, make_trainable)
        train_from(settings, trainer, start)
        finish(settings, trainer)
        if is_main_process():
            write_run_file(run, identity, finished=True)
    return run


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
        use_8bit=getattr(settings, "use_8bit", False),
        use_4bit=getattr(settings, "use_4bit", False),
    )
    loaded = with_digest(loaded, local_files_only=settings.local_files_only)
    if settings.add_tokens is None:
        return loaded
    return add_tokens(loaded, read_tokens(settings.add_tokens))


def allow_silence(loaded: LoadedModel) -> None:
    """Let the model answer with nothing, now and wherever it is loaded later.

    Whisper's generation settings forbid that an answer ends at once, so that a base model says
    something on noise whatever it was taught.
    """
    known = loaded.whisper.generation_config
    forbidden = known.begin_suppress_tokens or ()
    end = loaded.label_encoder().end
    known.begin_suppress_tokens = [token for token in forbidden if token != end] or None


def latest_start(
    settings: TrainSettings, train: TrainingTable, augmenter: Augmenter | None
) -> Seconds:
    """When a timed example first speaks, at the latest; that there is none of them is warned of."""
    latest = train.latest_start
    if latest is None:
        warn(
            f"--timestamps=True, and no line of {settings.train_data} has times in `sentences`: no "
            "times are trained"
        )
        return 0.0
    if augmenter is None:
        return latest
    return latest * augmenter.longest_stretch + augmenter.longest_delay


def allow_late_starts(loaded: LoadedModel, latest: Seconds) -> None:
    """Let the model begin an answer as late as it is taught, now and wherever it is loaded later.

    Whisper's generation settings forbid that the first sentence begins after the first second.
    """
    known = loaded.whisper.generation_config
    limit = getattr(known, "max_initial_timestamp_index", None)
    taught = min(math.ceil(latest / TIMESTAMP_STEP), LAST_TIMESTAMP)
    if limit is not None and taught > limit:
        known.max_initial_timestamp_index = taught


def search(
    settings: TrainSettings,
    arguments: TrainingArguments,
    loaded: LoadedModel,
    data: tuple[TrainingTable, TrainingTable, Augmenter | None],
    make_trainable: MakeTrainable,
) -> None:
    """Look for a learning rate in place of training."""
    loaded = settled_context(settings, loaded, data[:2], None)
    trainer = prepare(settings, Start(), arguments, loaded, data, make_trainable)
    tell(find_learning_rate(trainer), trainer.run)


def prepare(
    settings: TrainSettings,
    start: Start,
    arguments: TrainingArguments,
    loaded: LoadedModel,
    data: tuple[TrainingTable, TrainingTable, Augmenter | None],
    make_trainable: MakeTrainable,
) -> WhisperTrainer:
    """Make the model trainable and put its trainer together."""
    train, dev, augmenter = data
    set_seed(settings.seed)  # data order and augmentation have seeds of their own
    plan = batch_plan(settings, loaded)
    sampler = make_sampler(train, plan, augmenter)
    loaded = make_trainable(loaded, total_steps(settings, sampler))
    memory = fit_to_memory(settings, loaded, sampler)
    if settings.auto_batch and start.checkpoint is not None:
        memory = replace(memory, plan=cut_as_before(memory.plan, Path(start.checkpoint)))
    arguments.gradient_accumulation_steps = memory.plan.accumulation
    if settings.use_compile:
        compile_layers(loaded.model)
    describe(settings, loaded, train, dev)
    describe_steps(sampler)
    arguments.learning_rate = settings.learning_rate or full_learning_rate(
        loaded.whisper.config.d_model
    )
    trainer = make_trainer(settings, arguments, loaded, memory.plan, (train, dev), augmenter)
    trainer.memory_guard.limit = memory.limit
    return trainer


def train_from(settings: TrainSettings, trainer: WhisperTrainer, start: Start) -> None:
    """Train from the first step or from a checkpoint.

    Raises:
        Stopped: if a signal ended it.
    """
    trainer.changed = start.changed
    trainer.args.eval_on_start = settings.eval_on_start and start.checkpoint is None
    if settings.context_match_steps and start.checkpoint is None:
        match(settings, trainer)  # a checkpoint holds what was matched
    trainer.train(resume_from_checkpoint=start.checkpoint)
    step = int(trainer.state.global_step)
    trainer.interruption.raise_if_stopped(step, str(trainer.run / f"checkpoint-{step}"))


def begin_run(
    settings: TrainSettings,
    run: Path,
    start: Start,
    named_tables: list[tuple[str, TrainingTable]],
) -> None:
    """Make the run's folder ready: settings, and the list of what is left out."""
    run.mkdir(parents=True, exist_ok=True)
    if start.checkpoint is None:
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
    hours = float(train.durations.sum()) / 3600
    precision = choose_precision(settings.fp16, settings.bf16).name
    say(
        f"base model   {settings.base_model} ({total / 1e6:.1f} M parameters, "
        f"{trainable / 1e6:.2f} M trainable)"
    )
    say(f"train        {settings.train_data}: {len(train)} utterances, {hours:.2f} h")
    say(f"dev          {settings.dev_data or settings.test_data}: {len(dev)} utterances")
    sharing = describe_sharing(sharing_asked_for())
    say(f"compute      {sharing}, {precision}, audio context {loaded.audio_context}")


def match(settings: TrainSettings, trainer: WhisperTrainer) -> None:
    """Let the encoder learn on cut windows what it knows on 30 s ones."""
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
    if trainer.last_evaluated_step != trainer.state.global_step:
        trainer.evaluate()
    run = trainer.run
    trainer.write_model_folder(FINAL)
    average = BestAverage.of(trainer)
    average_is_best = average is not None and average.choose()
    if is_main_process():
        discard_cache(run)
    barrier()
    if trainer.guard.total:
        warn(f"steps without a usable gradient, which were skipped: {trainer.guard.total}")
    warn_of_failures(trainer.all_failures())
    metric = trainer.dev.metric.upper()
    place = "the average" if average_is_best else f"step {trainer.state.best_global_step}"
    say(
        f"best         {run / 'checkpoint-best'}: dev {metric} {trainer.state.best_metric:.2%} "
        f"at {place}"
    )
    say(f"final        {run / FINAL}")
    if settings.push_to_hub:
        trainer.push_to_hub(commit_message="Fine-tuned weights")
