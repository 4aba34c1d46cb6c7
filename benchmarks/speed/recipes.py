"""The stock recipe and ours, over one pass of the same clips in batches of the same size.

The stock recipe is the one that most fine-tunes of Whisper are made with (the blog post
"Fine-Tune Whisper for Multilingual ASR with Transformers"): features of every clip computed
beforehand on windows of 30 s, then `Seq2SeqTrainer` with a collator that pads labels. Only its
activation checkpointing is left out, which would make it slower still.

B examples, M mel bins, T tokens.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    set_seed,
)
from transformers.trainer_callback import PrinterCallback

from utils.audio.features import SAMPLE_RATE
from utils.audio.load import load_audio
from utils.cli.errors import Failure
from utils.manifest.read import read_manifest
from utils.training.settings.runs import FullSettings

LEARNING_RATE = 1e-5


@dataclass(frozen=True)
class Pass:
    """One pass over a training set, as both recipes get it.

    Attributes:
        model: folder of the Whisper that is trained, all its weights.
        data: manifest.
        batch_size: examples in a step.
        steps: steps of the pass.
        output_dir: for what a run writes.
        num_workers: processes that read data.
        seed: of the order.
    """

    model: str
    data: Path
    batch_size: int
    steps: int
    output_dir: Path
    num_workers: int
    seed: int


@dataclass(frozen=True)
class Timing:
    """Seconds of one pass, before the first step and of the steps, and how many steps it took."""

    setup: float
    training: float
    steps: int


class StockCollator:
    """Pads labels with -100 by the tokenizer's mask; the windows are 30 s already.

    Args:
        processor: of the model.
        start: id that begins every decoder input, cut from the labels, as the stock recipe does.
    """

    def __init__(self, processor: WhisperProcessor, start: int) -> None:
        self.processor = processor
        self.start = start

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        """`input_features` float32 `(B, M, 3000)` and `labels` int64 `(B, T)`."""
        features = [{"input_features": each["input_features"]} for each in examples]
        batch = self.processor.feature_extractor.pad(features, return_tensors="pt")
        padded = self.processor.tokenizer.pad(
            [{"input_ids": each["labels"]} for each in examples], return_tensors="pt"
        )
        labels = padded["input_ids"].masked_fill(padded.attention_mask.ne(1), -100)
        if (labels[:, 0] == self.start).all().item():
            labels = labels[:, 1:]
        batch["labels"] = labels
        return batch


class StockDataset(Dataset[dict[str, Any]]):
    """Features and labels of every clip, computed beforehand.

    Args:
        manifest: the clips.
        processor: of the model.
        longest: most label tokens.
    """

    def __init__(self, manifest: Path, processor: WhisperProcessor, longest: int) -> None:
        self.rows = []
        for utterance in read_manifest(manifest):
            samples = load_audio(utterance.audio)
            extracted = processor.feature_extractor(samples, sampling_rate=SAMPLE_RATE)
            labels = processor.tokenizer(utterance.sentence).input_ids[:longest]
            self.rows.append({"input_features": extracted.input_features[0], "labels": labels})

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.rows[place]


def stock(work: Pass) -> Timing:
    """One pass of the stock recipe."""
    began = time.perf_counter()
    set_seed(work.seed)
    processor = WhisperProcessor.from_pretrained(work.model)
    processor.tokenizer.set_prefix_tokens(language="zh", task="transcribe")
    model = WhisperForConditionalGeneration.from_pretrained(work.model, dtype=torch.float32)
    longest = model.config.max_target_positions
    trainer = Seq2SeqTrainer(
        model=model,
        args=_stock_arguments(work),
        train_dataset=StockDataset(work.data, processor, longest),
        data_collator=StockCollator(processor, model.config.decoder_start_token_id),
        processing_class=processor.feature_extractor,
    )
    trainer.remove_callback(PrinterCallback)
    return _timed(trainer, began, work)


def _stock_arguments(work: Pass) -> Seq2SeqTrainingArguments:
    has_gpu = torch.cuda.is_available()
    return Seq2SeqTrainingArguments(
        output_dir=str(work.output_dir),
        per_device_train_batch_size=work.batch_size,
        learning_rate=LEARNING_RATE,
        num_train_epochs=1,
        bf16=has_gpu and torch.cuda.is_bf16_supported(),
        fp16=has_gpu and not torch.cuda.is_bf16_supported(),
        use_cpu=not has_gpu,
        dataloader_num_workers=work.num_workers,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        seed=work.seed,
        logging_steps=10_000,
    )


def ours(work: Pass, audio_context: str) -> Timing:
    """One pass of `finetune_all.py`, its evaluations and checkpoints left out."""
    from utils.model.load import load_model
    from utils.training.arguments import training_arguments
    from utils.training.audio_context.plan import batch_plan, with_context
    from utils.training.build import make_trainer
    from utils.training.data import read_data, read_manifests
    from utils.training.memory.plan import MemoryPlan
    from utils.training.resume.start import Start

    began = time.perf_counter()
    settings = FullSettings(
        train_data=str(work.data),
        dev_data=str(work.data),
        base_model=work.model,
        output_dir=str(work.output_dir),
        learning_rate=LEARNING_RATE,
        num_train_epochs=1,
        warmup_steps=0,
        per_device_train_batch_size=work.batch_size,
        num_workers=work.num_workers,
        audio_context=audio_context,  # type: ignore[arg-type]  # checked by the caller's settings
        language="zh",
        min_audio_len=0.0,
        logging_steps=10_000,
        seed=work.seed,
    )
    arguments = training_arguments(settings, work.output_dir)
    arguments.save_strategy, arguments.eval_strategy = "no", "no"
    manifests = read_manifests(settings)
    loaded = with_context(settings, load_model(work.model))
    data = read_data(settings, loaded, manifests)
    memory = MemoryPlan(batch_plan(settings, loaded))
    trainer = make_trainer(settings, arguments, loaded, memory, data, Start())
    return _timed(trainer, began, work)


def _timed(trainer: Any, began: float, work: Pass) -> Timing:
    ready = time.perf_counter()
    trainer.train()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    ended = time.perf_counter()
    done = trainer.state.global_step
    # Mixed takes a few more steps for the same clips: its full-context batches are small.
    if not work.steps <= done <= max(work.steps + 2, round(1.2 * work.steps)):
        raise Failure(
            f"{type(trainer).__name__} took {done} steps, expected about {work.steps}",
            "The two recipes must do the same work to be compared.",
        )
    return Timing(ready - began, ended - ready, done)


def steps_of(clips: int, batch_size: int) -> int:
    """Steps of one pass."""
    return math.ceil(clips / batch_size)
