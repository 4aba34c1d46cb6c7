"""Published fine-tuning recipes, with the Trainer and peft as their authors use them.

    python benchmarks/speed/published.py --recipe=lora --base_model=... --train_data=train.jsonl \
        --output_dir=output/published

benchmarks/recipes.py calls this. `lora` and `adalora` are the two adapters of yeyupiaoling's
Whisper-Finetune: every clip on a window of 30 s, labels with the start token that the model puts
before them once more, 50 steps of warm-up, a learning rate of 1e-3. `seq2seq` is transformers'
example run_speech_recognition_seq2seq with the settings of its README: all weights, a learning rate
of 1e-5, 500 steps of warm-up, the start token cut from the labels. Batches hold 8 clips in all of
them and numbers are float32, so that steps are alike. The adapter is merged and the model saved
whole, with its processor.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from utils.cli.console import say
from utils.cli.errors import run_script
from utils.cli.flags import parse_settings

if TYPE_CHECKING:
    from transformers import Seq2SeqTrainingArguments

TARGETS = ["k_proj", "q_proj", "v_proj", "out_proj", "fc1", "fc2"]
NEVER = 1_000_000
"""Steps of AdaLoRA's schedule: the recipe never calls `update_and_allocate`, so its ranks stay."""


@dataclass(frozen=True)
class PublishedSettings:
    """One training."""

    recipe: Literal["lora", "adalora", "seq2seq"] = "lora"
    """Which of the published recipes."""
    base_model: str = "openai/whisper-tiny"
    """Whisper to start from."""
    train_data: Path = Path("dataset/train.json")
    """Manifest to train on."""
    language: str = "zh"
    """Language of all clips."""
    max_steps: int = 40
    """Steps of 8 clips."""
    seed: int = 42
    """Seed of the order and of the adapter's first weights."""
    output_dir: Path = Path("output/published")
    """Folder for the model."""


def main(argv: Sequence[str] | None = None) -> None:
    """Train and save."""
    settings = parse_settings(
        PublishedSettings, argv, prog="published.py", description=__doc__ or ""
    )
    import torch
    from transformers import (
        Seq2SeqTrainer,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        set_seed,
    )

    from benchmarks.speed.recipes import StockCollator, StockDataset

    set_seed(settings.seed)
    processor = WhisperProcessor.from_pretrained(settings.base_model)
    processor.tokenizer.set_prefix_tokens(language=settings.language, task="transcribe")
    model = WhisperForConditionalGeneration.from_pretrained(
        settings.base_model, dtype=torch.float32
    )
    longest, start = model.config.max_target_positions, model.config.decoder_start_token_id
    if settings.recipe != "seq2seq":
        # The adapter recipes look for "bos", which is Whisper's end-of-text and never comes first:
        # the start token stays, and the model puts another before it.
        start = processor.tokenizer.bos_token_id
    trained = adapted(model, settings.recipe)
    trainer = Seq2SeqTrainer(
        model=trained,
        args=arguments(settings),
        train_dataset=StockDataset(settings.train_data, processor, longest),
        data_collator=StockCollator(processor, start),
        processing_class=processor.feature_extractor,
    )
    trainer.train()
    whole = trained if settings.recipe == "seq2seq" else trained.merge_and_unload()
    whole.save_pretrained(settings.output_dir)
    processor.save_pretrained(settings.output_dir)
    say(f"wrote {settings.output_dir}")


def adapted(model: Any, recipe: str) -> Any:
    """The model with the recipe's adapter; itself where all weights are trained."""
    from peft import AdaLoraConfig, LoraConfig, get_peft_model

    if recipe == "seq2seq":
        return model
    model.config.use_cache = False
    # A frozen convolution's output asks for no gradient, which the recipe's checkpointing needs.
    model.model.encoder.conv1.register_forward_hook(
        lambda module, inputs, output: output.requires_grad_(True)
    )
    if recipe == "lora":
        config = LoraConfig(
            r=32, lora_alpha=64, target_modules=TARGETS, lora_dropout=0.05, bias="none"
        )
    else:
        config = AdaLoraConfig(
            init_r=12,
            target_r=4,
            beta1=0.85,
            beta2=0.85,
            tinit=200,
            tfinal=1000,
            deltaT=10,
            lora_alpha=32,
            lora_dropout=0.1,
            orth_reg_weight=0.5,
            target_modules=TARGETS,
            total_step=NEVER,
        )
    return get_peft_model(model, config)


def arguments(settings: PublishedSettings) -> Seq2SeqTrainingArguments:
    """The Trainer's settings: AdamW, a linear schedule, as published."""
    from transformers import Seq2SeqTrainingArguments

    adapter = settings.recipe != "seq2seq"
    return Seq2SeqTrainingArguments(
        output_dir=str(settings.output_dir / "trainer"),
        per_device_train_batch_size=8,
        learning_rate=1e-3 if adapter else 1e-5,
        warmup_steps=50 if adapter else 500,
        max_steps=settings.max_steps,
        optim="adamw_torch",
        use_cpu=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        seed=settings.seed,
        logging_steps=5,
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
