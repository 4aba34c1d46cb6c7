"""The trainer of a run, put together from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from utils.audio.cache import open_cache
from utils.data.batching import BatchPlan, Collator
from utils.data.dataset import Shares, SpeechDataset, TrainingTable
from utils.model.loaded import LoadedModel
from utils.model.precision import choose_precision
from utils.scoring.tokens import default_metric
from utils.training.averaging import EarlyStopping, MovingAverage
from utils.training.best_average import BestAverage
from utils.training.callbacks import Bar, MetricsFile, RunCounters, TensorBoard
from utils.training.distillation import SelfDistillation
from utils.training.loss import StepLoss
from utils.training.parameter_groups import RateFactors
from utils.training.profile import StepProfile
from utils.training.ranks import RankAllocation
from utils.training.resume.signals import Interruption
from utils.training.settings.common import TrainSettings
from utils.training.skipped_steps import SkippedSteps
from utils.training.trainer import DevSet, WhisperTrainer
from utils.transcription.decoding import Decoding

if TYPE_CHECKING:
    from utils.audio.augmentation.pipeline import Augmenter


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
    dev_utterances = dev.utterances
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
        guard=SkippedSteps(settings.max_bad_steps, settings.max_grad_spike),
        interruption=Interruption(settings.grace_seconds),
        args=arguments,
        train_dataset=SpeechDataset(
            train,
            encoder,
            augmenter,
            settings.seed,
            cache,
            Shares(settings.timestamp_prob, settings.prompt_prob),
        ),
        eval_dataset=dev_dataset,
        callbacks=callbacks,
    )
    equip(trainer, settings)
    # The library's own printers would say everything twice.
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    if settings.profile:
        precision = choose_precision(settings.fp16, settings.bf16)
        StepProfile(run / "profile.json", precision).attach(trainer)
    return trainer


def equip(trainer: WhisperTrainer, settings: TrainSettings) -> None:
    """Give a trainer what the settings ask for beside the steps: averages, ranks, rates, an end."""
    loaded = trainer.loaded
    if getattr(settings, "adapter_type", "") == "adalora":
        trainer.add_callback(RankAllocation(loaded.model))
    if settings.keep_data is not None and settings.keep_mode == "distill":
        trainer.distillation = SelfDistillation(loaded.model)
    if settings.early_stopping_patience is not None:
        trainer.add_callback(EarlyStopping(settings.early_stopping_patience))
    if settings.average_best is not None:
        trainer.add_callback(BestAverage(trainer, settings.average_best))
    ema_decay = getattr(settings, "ema_decay", None)
    if ema_decay is not None:
        trainer.average = MovingAverage(loaded.model, ema_decay)
        trainer.add_callback(trainer.average)
    trainer.rate_factors = RateFactors.of(settings, loaded.whisper.config)
