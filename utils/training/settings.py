"""What can be set about a fine-tuning run; both scripts share all but what is trainable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError
from utils.training.choice_settings import ChoiceSettings
from utils.training.learning_settings import LearningSettings
from utils.training.safety_settings import SafetySettings


@dataclass(frozen=True)
class TrainSettings(LearningSettings, ChoiceSettings, SafetySettings):
    """Settings that every kind of fine-tuning has."""

    train_data: str = "dataset/train.json"
    """Manifest to train on."""
    dev_data: str | None = None
    """Manifest that chooses the best checkpoint; without it test_data serves, with a warning."""
    test_data: str = "dataset/test.json"
    """Manifest used in place of dev_data where that is not given."""
    base_model: str = "openai/whisper-tiny"
    """Whisper to start from: a folder or a name on the hub."""
    output_dir: str = "output/"
    """The run is written to <output_dir>/<name of the base model>/."""
    warmup_steps: int = 50
    """Steps over which the learning rate rises from 0."""
    logging_steps: int = 100
    """Steps between two lines in metrics.jsonl."""
    eval_steps: int = 1000
    """Steps between two evaluations on the dev set; the last step is always evaluated."""
    save_steps: int = 1000
    """Steps between two checkpoints."""
    num_workers: int = 2
    """Processes that read and prepare audio; 0 does it in the training process."""
    learning_rate: float | None = 1e-3
    """Highest learning rate."""
    min_audio_len: float = 0.5
    """Shorter utterances are left out, in seconds; no-speech examples are kept."""
    max_audio_len: float = 30.0
    """Longer utterances are left out, in seconds; at most 30."""
    fp16: bool | None = None
    """Train in float16; None chooses by what the device can do."""
    bf16: bool | None = None
    """Train in bfloat16; None chooses by what the device can do."""
    use_compile: bool = False
    """Compile the layers with torch.compile, for a dozen fixed window lengths."""
    timestamps: bool = False
    """Train timestamps where a manifest line has `sentences`."""
    local_files_only: bool = False
    """Never ask the hub for a model."""
    num_train_epochs: float = 3.0
    """Passes over the training data."""
    max_steps: int = -1
    """Stop after so many steps, whatever num_train_epochs says; -1: no limit."""
    language: str | None = "Chinese"
    """Language of utterances that state none: a name or code."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """Task of utterances that state none."""
    augment_config_path: str | None = None
    """Augmentation settings, such as configs/augmentation.json."""
    resume_from_checkpoint: str | None = None
    """Checkpoint folder to go on from, or "auto" for the newest of this run."""
    overwrite_output_dir: bool = False
    """Begin anew where an earlier run stands, and replace it."""
    per_device_train_batch_size: int = 8
    """Utterances a process computes at once; not used with batch_seconds or batch_tokens."""
    batch_seconds: float | None = None
    """Seconds of padded window (utterances x window) a process computes at once, in place of
    per_device_train_batch_size: short utterances then share a batch with more others."""
    batch_tokens: int | None = None
    """Label tokens (utterances x longest) a process computes at once, in place of
    per_device_train_batch_size; with batch_seconds, both hold."""
    per_device_eval_batch_size: int = 8
    """Utterances a process transcribes at once on the dev set."""
    gradient_accumulation_steps: int = 1
    """Batches added up before the weights move."""
    save_total_limit: int | None = 10
    """Numbered checkpoints to keep; older ones are removed."""
    push_to_hub: bool = False
    """Upload the final weights to the hub."""
    hub_model_id: str | None = None
    """Repository on the hub; needed with push_to_hub."""
    audio_context: Literal["auto", "full", "dynamic", "mixed"] = "auto"
    """Windows of 30 s (full), cut to the speech (dynamic), or cut with a share of full ones
    (mixed). auto: as the base model was trained; of one that does not say, a few dev utterances
    are transcribed both ways, and windows are cut (mixed) if it hears as well on cut ones."""
    full_share: float = 0.05
    """With audio_context=mixed: share of the steps with windows of 30 s."""
    tail_share: float = 0.05
    """With audio_context=mixed: share of the steps with a random length of silence, up to 30 s,
    after the speech."""
    context_margin: float | None = None
    """Seconds of silence that a cut window keeps after the speech, in training and in decoding;
    kept with the model. None: as the base model has it, which is 0 unless it says otherwise."""
    context_warmup_steps: int = 0
    """Steps over which windows shrink from 30 s to the cut ones."""
    context_match_steps: int = 0
    """Steps before the training in which the encoder learns to give on cut windows the states
    that the base model has on 30 s ones, in batches of per_device_train_batch_size."""
    label_smoothing: float = 0.0
    """Share of the target probability spread over all tokens."""
    weight_decay: float = 0.0
    """Weight decay of AdamW."""
    max_grad_norm: float = 1.0
    """Longer gradients are shortened to this norm."""
    eval_on_start: bool = True
    """Score the dev set before the first step, so that the curve shows where it began."""
    loss_chunk: int | None = 256
    """Token positions whose logits are held at once; 0 or None holds those of the whole batch."""
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    """Compute each layer again in the backward pass in place of keeping its activations: a third
    more time for a fraction of the memory; auto: only where the batch would not fit otherwise."""
    auto_batch: bool = False
    """Find before training how many utterances fit into memory at once; the step stays as large as
    per_device_train_batch_size and gradient_accumulation_steps make it."""
    memory_budget: float | None = None
    """Memory that training may take, in GB a process; None takes a share of what is free."""
    optim: Literal["adamw", "adamw_8bit"] = "adamw"
    """Optimizer; adamw_8bit (bitsandbytes) holds its two averages in a quarter of the memory."""
    profile: bool = False
    """Say after some steps where their time went; the numbers go to profile.json too."""
    audio_cache: float | Literal["auto"] = 0.0
    """Disk space, in GB, for sound as it was decoded, so that later epochs need not decode again;
    auto: a quarter of the free space; 0: none."""
    seed: int = 42
    """Of the data order, the augmentation and the adapter's first weights."""

    def __post_init__(self) -> None:
        """Check what must hold between the settings."""
        if not 0 <= self.min_audio_len < self.max_audio_len <= 30:
            raise UserError(
                f"--min_audio_len={self.min_audio_len:g} --max_audio_len={self.max_audio_len:g}: "
                "expected 0 <= min < max <= 30 seconds, the length of Whisper's window",
                "Cut longer recordings into pieces of at most 30 s.",
            )
        if self.push_to_hub and not self.hub_model_id:
            raise UserError(
                "--push_to_hub=True needs --hub_model_id", "For example --hub_model_id=me/whisper-x"
            )
        for name in (
            "per_device_train_batch_size",
            "per_device_eval_batch_size",
            "gradient_accumulation_steps",
            "logging_steps",
            "eval_steps",
            "save_steps",
        ):
            if getattr(self, name) < 1:
                raise UserError(f"--{name}={getattr(self, name)}: expected at least 1")
        self._check_context()
        self._check_memory()
        self.check_safety()
        self.check_learning()
        self.check_choice(self.max_steps)
        if self.concat and self.audio_cache:
            raise UserError(
                f"--concat=True and --audio_cache={self.audio_cache} exclude each other: joined "
                "clips change their order in every pass",
                "Leave one of them out.",
            )
        if self.max_steps < 1 and self.num_train_epochs <= 0:
            raise UserError(
                f"--num_train_epochs={self.num_train_epochs:g} --max_steps={self.max_steps}: "
                "nothing to train",
                "Give one of them a positive number.",
            )

    def _check_memory(self) -> None:
        """Check what decides about memory."""
        if self.memory_budget is not None and self.memory_budget <= 0:
            raise UserError(f"--memory_budget={self.memory_budget:g}: expected GB, above 0")
        if (self.loss_chunk or 0) < 0 or (self.audio_cache != "auto" and self.audio_cache < 0):
            raise UserError(
                f"--loss_chunk={self.loss_chunk} --audio_cache={self.audio_cache}: "
                "expected 0 or more"
            )

    def _check_context(self) -> None:
        """Check what decides about windows and about what is computed at once."""
        for name in ("batch_seconds", "batch_tokens"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"--{name}={value:g}: expected more than 0, or None")
        for name in ("context_warmup_steps", "context_match_steps"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name}={getattr(self, name)}: expected 0 or more")
        if not (min(self.full_share, self.tail_share) >= 0 and self.full_share < 1):
            raise UserError(
                f"--full_share={self.full_share:g} --tail_share={self.tail_share:g}: expected "
                "shares from 0 to below 1",
                "Windows of 30 s in every step: --audio_context=full",
            )
        if self.full_share + self.tail_share > 1:
            raise UserError(
                f"--full_share={self.full_share:g} and --tail_share={self.tail_share:g} are more "
                "than all steps together"
            )
        if self.context_margin is not None and not 0 <= self.context_margin <= 30:
            raise UserError(f"--context_margin={self.context_margin:g}: expected 0 to 30 seconds")
        if self.context_warmup_steps and (self.batch_seconds or self.batch_tokens):
            raise UserError(
                f"--context_warmup_steps={self.context_warmup_steps} cannot go with "
                "--batch_seconds or --batch_tokens: its long windows would overfill the batches",
                "Use --per_device_train_batch_size, small enough for windows of 30 s.",
            )
