"""The trainer of a run, put together from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from utils.audio.cache import open_cache
from utils.data.batching import Collator
from utils.data.dataset import Shares, SpeechDataset
from utils.data.labels import LabelEncoder
from utils.manifest.languages import text_language
from utils.model.load import load_model
from utils.model.loaded import LoadedModel
from utils.model.precision import choose_precision
from utils.scoring.tokens import default_metric
from utils.training.best_average import BestAverage
from utils.training.callbacks import (
    Bar,
    EarlyStopping,
    MetricsFile,
    RankAllocation,
    RunCounters,
    TensorBoard,
)
from utils.training.data import RunData
from utils.training.dev_set import DevSet
from utils.training.distillation import SelfDistillation, Teacher
from utils.training.loss import StepLoss
from utils.training.memory.out_of_memory import MemoryGuard
from utils.training.memory.plan import MemoryPlan
from utils.training.moving_average import MovingAverage
from utils.training.parameter_groups import RateFactors
from utils.training.profile import StepProfile
from utils.training.resume.best import BestForgotten
from utils.training.resume.signals import Interruption
from utils.training.resume.start import Start
from utils.training.settings.common import TrainSettings
from utils.training.skipped_steps import SkippedSteps
from utils.training.tracking.transcripts import DevTranscripts
from utils.training.trainer import WhisperTrainer
from utils.transcription.decoding import Decoding


def make_trainer(
    settings: TrainSettings,
    arguments: TrainingArguments,
    loaded: LoadedModel,
    memory: MemoryPlan,
    data: RunData,
    start: Start,
    identity: dict[str, Any] | None = None,
) -> WhisperTrainer:
    """Put the trainer together.

    Args:
        settings: of the run.
        arguments: the Trainer's own, complete.
        loaded: the model, with what is trained attached.
        memory: how its steps are computed.
        data: what it is trained on and scored by.
        start: where the run begins.
        identity: what the run is, for what it saves.
    """
    run = Path(str(arguments.output_dir))
    encoder = loaded.label_encoder(
        language=settings.language, task=settings.task, timestamps=settings.timestamps
    )
    train, dev = train_dataset(settings, data, encoder, run), dev_set(settings, data, encoder)
    averages = settings.ema_decay is not None
    distils = settings.keep_data is not None and settings.keep_mode == "distill"
    # Nothing of a search for a learning rate is saved, so a signal may end it at once.
    interruption = None if settings.find_learning_rate else Interruption(settings.grace_seconds)
    moving_average = MovingAverage(loaded.model, settings.ema_decay or 0.0) if averages else None
    trainer = WhisperTrainer(
        loaded,
        memory.plan,
        dev,
        audio_context=loaded.audio_context,
        collator=collator(settings, loaded, data, encoder),
        step_loss=StepLoss(settings.label_smoothing, settings.loss_chunk or 0),
        distillation=SelfDistillation(loaded.model) if distils else None,
        teacher=teacher(settings, loaded),
        rate_factors=RateFactors.of(settings, loaded.whisper.config),
        identity=identity or {},
        skipped_steps=SkippedSteps(settings.max_bad_steps, settings.max_grad_spike),
        memory_guard=MemoryGuard(memory.limit),
        interruption=interruption,
        moving_average=moving_average,
        settings_changed=start.changed,
        args=arguments,
        train_dataset=train,
        eval_dataset=dev.dataset,
        callbacks=callbacks(settings, loaded, run),
    )
    if not settings.find_learning_rate:
        trainer.add_callback(DevTranscripts(trainer, settings.trackers))
    if start.forgets_best:
        trainer.add_callback(BestForgotten())
    if settings.average_best is not None:
        trainer.add_callback(BestAverage(trainer, settings.average_best))
    # The library's own printers would say everything twice.
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    if settings.profile:
        precision = choose_precision(settings.fp16, settings.bf16)
        StepProfile(run / "profile.json", precision).attach(trainer)
    return trainer


def train_dataset(
    settings: TrainSettings, data: RunData, encoder: LabelEncoder, run: Path
) -> SpeechDataset:
    """The examples that are trained on; decoded sound is cached in the run's folder if asked."""
    return SpeechDataset(
        data.train,
        encoder,
        data.augmenter,
        settings.seed,
        open_cache(settings.audio_cache, run, len(data.train)),
        Shares(settings.timestamp_prob, settings.prompt_prob),
    )


def teacher(settings: TrainSettings, loaded: LoadedModel) -> Teacher | None:
    """The base model, whole, where a student is cut from it."""
    if settings.student_layers is None:
        return None
    base = load_model(settings.base_model, local_files_only=settings.local_files_only)
    return Teacher(base.whisper, loaded.whisper)


def dev_set(settings: TrainSettings, data: RunData, encoder: LabelEncoder) -> DevSet:
    """What chooses the best checkpoint, and how it is transcribed."""
    utterances = data.dev.utterances
    decoding = Decoding(
        language=settings.language,
        task=settings.task,
        batch_size=settings.per_device_eval_batch_size,
        num_workers=settings.num_workers,
    )
    metric = default_metric(
        text_language(each.language or settings.language, each.task or settings.task)
        for each in utterances
    )
    return DevSet(utterances, SpeechDataset(data.dev, encoder), decoding, metric)


def collator(
    settings: TrainSettings, loaded: LoadedModel, data: RunData, encoder: LabelEncoder
) -> Collator:
    """What makes batches of examples."""
    return Collator(
        loaded.log_mel,
        encoder.end,
        data.augmenter,
        loaded.context_margin,
        fixed_windows=settings.use_compile,
    )


def callbacks(settings: TrainSettings, loaded: LoadedModel, run: Path) -> list[Any]:
    """What happens beside the steps; a search for a learning rate only counts."""
    found: list[Any] = [RunCounters()]
    if not settings.find_learning_rate:
        found += [MetricsFile(run / "metrics.jsonl"), TensorBoard(run / "tensorboard"), Bar()]
    if settings.adapter_type == "adalora":
        found.append(RankAllocation(loaded.model))
    if settings.early_stopping_patience is not None:
        found.append(EarlyStopping(settings.early_stopping_patience))
    return found
