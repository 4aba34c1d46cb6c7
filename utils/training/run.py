"""A fine-tuning run, phase by phase, whatever is trainable."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from utils.cli.console import is_main_process, process_count, say, warn
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.settings import save_settings
from utils.manifest.languages import language_code
from utils.manifest.read import Dropped, Manifest, read_manifest
from utils.model.adapters import count_parameters
from utils.model.compilation import compile_layers
from utils.model.distributed import barrier
from utils.model.folders import FINAL, clear_run, model_name, prepare_run, write_folder
from utils.model.load import LoadedModel, load_model
from utils.model.precision import choose_precision
from utils.scoring.tokens import default_metric
from utils.speech.audio_cache import discard_cache, open_cache
from utils.speech.batching import BatchPlan, Collator, StepSampler
from utils.speech.dataset import SpeechDataset, TrainingTable, training_table
from utils.training.callbacks import Bar, MetricsFile, RankAllocation, RunCounters, TensorBoard
from utils.training.context import batch_plan, describe_steps, make_sampler, with_context
from utils.training.loss import StepLoss
from utils.training.matching import MatchOptions, match_context, say_distances
from utils.training.memory_plan import fit_to_memory, optimizer_name
from utils.training.profile import StepProfile
from utils.training.settings import TrainSettings, full_learning_rate
from utils.training.trainer import DevSet, WhisperTrainer, seed_everything, warn_of_failures
from utils.transcription.transcribe import Decoding

if TYPE_CHECKING:
    from utils.speech.augment import Augmenter

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


def training_arguments(settings: TrainSettings, run: Path) -> TrainingArguments:
    """The Trainer's own settings; building them also joins the process group."""
    precision = choose_precision(settings.fp16, settings.bf16)
    on_cpu = not torch.cuda.is_available() and not torch.backends.mps.is_available()
    return TrainingArguments(
        output_dir=str(run),
        per_device_train_batch_size=settings.per_device_train_batch_size,
        per_device_eval_batch_size=settings.per_device_eval_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate or 0.0,
        warmup_steps=settings.warmup_steps,
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        logging_steps=settings.logging_steps,
        logging_nan_inf_filter=False,
        eval_strategy="steps",
        eval_steps=settings.eval_steps,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=settings.save_total_limit,
        dataloader_num_workers=settings.num_workers,
        fp16=precision.fp16,
        bf16=precision.bf16,
        optim=optimizer_name(settings.optim),
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and process_count() > 1 else None,
        ddp_find_unused_parameters=False,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        seed=settings.seed,
        data_seed=settings.seed,
        restore_callback_states_from_checkpoint=True,
        push_to_hub=settings.push_to_hub,
        hub_model_id=settings.hub_model_id,
        hub_strategy="end",
    )


def read_augmenter(path: str | None) -> Augmenter | None:
    """The augmentation that was asked for, if any."""
    if path is None:
        return None
    from utils.speech.augment import Augmenter

    return Augmenter.from_file(path)


def read_manifests(settings: TrainSettings) -> tuple[Manifest, Manifest]:
    """The training manifest and the one that chooses the best checkpoint."""
    train = read_manifest(settings.train_data)
    if settings.dev_data is not None:
        return train, read_manifest(settings.dev_data)
    if not Path(settings.test_data).is_file():
        raise UserError(
            f"there is no dev set: --dev_data is not given and {settings.test_data} does not exist",
            "Give --dev_data=manifest.json, a set apart from training and test data.",
        )
    warn(
        f"{settings.test_data} chooses the best checkpoint, so a score on it will flatter the "
        "model; give a set of its own with --dev_data"
    )
    return train, read_manifest(settings.test_data)


def tables(
    settings: TrainSettings, loaded: LoadedModel, manifest: Manifest, dev_manifest: Manifest
) -> tuple[TrainingTable, TrainingTable]:
    """What will be trained on and what will be scored; everything else is named."""
    encoder = loaded.label_encoder(
        language=settings.language, task=settings.task, timestamps=settings.timestamps
    )
    limits = settings.min_audio_len, settings.max_audio_len
    train = training_table(manifest, encoder, *limits)
    dev = training_table(dev_manifest, encoder, *limits)
    for source, table in ((manifest, train), (dev_manifest, dev)):
        warn_of_dropped(source.path, len(source), table.dropped)
    return train, dev


def warn_of_dropped(path: Path, total: int, dropped: list[Dropped]) -> None:
    """Say which utterances of a manifest are not used, and why."""
    if dropped:
        shown = "\n".join(f"  {d.id}: {d.reason}" for d in dropped[:5])
        more = f"\n  ... and {len(dropped) - 5} more" if len(dropped) > 5 else ""
        warn(f"{path}: {len(dropped)} of {total} utterances are left out:\n{shown}{more}")


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


def make_trainer(
    settings: TrainSettings,
    arguments: TrainingArguments,
    loaded: LoadedModel,
    plan: BatchPlan,
    data: tuple[TrainingTable, TrainingTable],
    augmenter: Augmenter | None,
) -> WhisperTrainer:
    """Put the trainer together."""
    train, dev = data
    run = Path(str(arguments.output_dir))
    encoder = loaded.label_encoder(
        language=settings.language, task=settings.task, timestamps=settings.timestamps
    )
    cache = open_cache(settings.audio_cache, run, len(train))
    dev_dataset = SpeechDataset(dev, encoder)
    dev_utterances = [dev_dataset.utterance(index) for index in range(len(dev))]
    decoding = Decoding(
        language=settings.language,
        task=settings.task,
        batch_size=settings.per_device_eval_batch_size,
        num_workers=settings.num_workers,
    )
    metric = default_metric(u.language or settings.language for u in dev_utterances)
    callbacks: list[Any] = [
        RunCounters(),
        MetricsFile(run / "metrics.jsonl"),
        TensorBoard(run / "tensorboard"),
        Bar(),
    ]
    if getattr(settings, "use_adalora", False):
        callbacks.append(RankAllocation(loaded.model))
    trainer = WhisperTrainer(
        loaded,
        plan,
        DevSet(dev_utterances, dev_dataset, decoding, metric),
        audio_context=loaded.audio_context,
        collator=Collator(
            loaded.log_mel,
            encoder.end,
            augmenter,
            loaded.context_margin,
            fixed_windows=settings.use_compile,
        ),
        step_loss=StepLoss(settings.label_smoothing, settings.loss_chunk or 0),
        args=arguments,
        train_dataset=SpeechDataset(train, encoder, augmenter, settings.seed, cache),
        eval_dataset=dev_dataset,
        callbacks=callbacks,
    )
    # The library's own printers would say everything twice.
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    if settings.profile:
        precision = choose_precision(settings.fp16, settings.bf16)
        StepProfile(run / "profile.json", precision).attach(trainer)
    return trainer


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
