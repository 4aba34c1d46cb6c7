"""What the two scripts let be trained: adapters on a frozen model, or every weight."""

from dataclasses import dataclass

from utils.cli.errors import UserError
from utils.cli.extras import expect_installed
from utils.training.settings.adapters import AdapterSettings
from utils.training.settings.common import TrainSettings


@dataclass(frozen=True)
class LoraSettings(AdapterSettings, TrainSettings):
    """Adapters on a frozen model (finetune.py)."""

    def __post_init__(self) -> None:
        """Check the adapter's numbers too."""
        super().__post_init__()
        if self.use_8bit and self.use_4bit:
            raise UserError(
                "--use_8bit=True and --use_4bit=True exclude each other", "Give one of them."
            )
        for name in ("use_8bit", "use_4bit"):
            if getattr(self, name):
                expect_installed("bitsandbytes", f"--{name}=True")
        self.check_adapter()
        if self.adapter_type == "adalora" and self.average_best is not None:
            raise UserError(
                f"--average_best={self.average_best} averages weights of several steps, whose "
                "ranks adalora moves",
                "Leave one of them out.",
            )
        if self.adapter == "pissa" and self.keep_mode == "distill":
            raise UserError(
                "--adapter=pissa takes the base model apart, which --keep_mode=distill asks",
                "Use --keep_mode=replay, or another adapter.",
            )
        if self.adapter == "pissa" and (self.use_8bit or self.use_4bit):
            raise UserError(
                "--adapter=pissa takes weights apart, which --use_8bit and --use_4bit hold rounded",
                "Leave one of them out.",
            )


@dataclass(frozen=True)
class FullSettings(TrainSettings):
    """Which of all weights move, and how far."""

    learning_rate: float | None = None
    """Highest learning rate; None takes 1/40 of pre-training's: tiny 3.75e-5, base 2.5e-5,
    small 1.25e-5, medium 6.25e-6, large 5e-6."""
    freeze_encoder: bool = False
    """Train the decoder alone."""
    freeze_layers: int = 0
    """Lowest layers of the encoder that stay as they are, with the convolutions before them."""
    layer_drop: float = 0.0
    """Stochastic depth: share of the layers that a step leaves out, drawn for each batch."""
    layer_decay: float = 1.0
    """Learning rate of each layer relative to that of the layer above it; 0.9 spares the lower
    layers."""
    student_layers: int | None = None
    """Distil the base model: so many of its decoder layers, evenly spaced, learn its probabilities
    beside the texts; the encoder stays as it is. The learning rate is then, unless given, four
    times as high."""
    ema_decay: float | None = None
    """Score and keep a moving average of the weights that keeps this share at each step, such as
    0.999; None keeps the weights themselves."""

    def __post_init__(self) -> None:
        """Check that what is to be matched can move, and what decides about layers."""
        super().__post_init__()
        if not (0 <= self.layer_drop < 1 and 0 < self.layer_decay <= 1 and self.freeze_layers >= 0):
            raise UserError(
                f"--layer_drop={self.layer_drop:g} --layer_decay={self.layer_decay:g} "
                f"--freeze_layers={self.freeze_layers}: expected a layer_drop from 0 to below 1, "
                "a layer_decay above 0 and up to 1, and 0 or more layers"
            )
        if self.student_layers is not None:
            self._check_student(self.student_layers)
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise UserError(f"--ema_decay={self.ema_decay:g}: expected a share between 0 and 1")
        if self.freeze_encoder and self.context_match_steps:
            raise UserError(
                f"--context_match_steps={self.context_match_steps} trains the encoder, which "
                "--freeze_encoder=True keeps as it is",
                "Leave one of them out.",
            )

    def _check_student(self, layers: int) -> None:
        """Check what cannot go with a student."""
        if layers < 1:
            raise UserError(f"--student_layers={layers}: expected 1 or more, or None")
        others = {
            "--add_tokens": self.add_tokens is not None,
            "--context_match_steps": bool(self.context_match_steps),
            "--keep_mode=distill": self.keep_data is not None and self.keep_mode == "distill",
        }
        for flag in (name for name, given in others.items() if given):
            raise UserError(
                f"--student_layers={layers} and {flag} exclude each other", "Leave one of them out."
            )

    def highest_rate(self, width: int) -> float:
        """As of `ScheduleSettings`; a student has further to go than a whole model."""
        faster = 4.0 if self.student_layers is not None and self.learning_rate is None else 1.0
        return super().highest_rate(width) * faster
