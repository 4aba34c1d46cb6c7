"""What can be set about steps, batches and rates."""

from dataclasses import dataclass

from utils.cli.errors import UserError

# OpenAI's pre-training rates divided by 40, per model width (arXiv 2212.04356, table 17).
RATE_BY_WIDTH = {384: 3.75e-5, 512: 2.5e-5, 768: 1.25e-5, 1024: 6.25e-6, 1280: 5e-6}


@dataclass(frozen=True)
class ScheduleSettings:
    """Length of the run, batches and learning rate."""

    num_train_epochs: float = 3.0
    """Passes over the training data."""
    max_steps: int = -1
    """Stop after so many steps, whatever num_train_epochs says; -1: no limit."""
    learning_rate: float | None = 1e-3
    """Highest learning rate."""
    warmup_steps: int | None = None
    """Steps over which the learning rate rises from 0. None: a tenth of the run, at most 50."""
    per_device_train_batch_size: int = 8
    """Utterances a process computes at once; not used with batch_seconds or batch_tokens."""
    gradient_accumulation_steps: int = 1
    """Batches whose gradients are added up before the weights are updated."""
    batch_seconds: float | None = None
    """Seconds of padded window (utterances x window) a process computes at once, in place of
    per_device_train_batch_size: short utterances then share a batch with more others."""
    batch_tokens: int | None = None
    """Label tokens (utterances x longest) a process computes at once, in place of
    per_device_train_batch_size; with batch_seconds, both hold."""
    weight_decay: float = 0.0
    """Weight decay of AdamW."""
    label_smoothing: float = 0.0
    """Share of the target probability spread over all tokens."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm."""
    seed: int = 42
    """Seed of the data order, the augmentation and the adapter's first weights."""

    def highest_rate(self, width: int) -> float:
        """The highest learning rate of the run.

        Args:
            width: of the model (`config.d_model`), which decides where none is given.
        """
        return self.learning_rate or full_learning_rate(width)

    def check_schedule(self) -> None:
        """Check steps and batches.

        Raises:
            UserError: if one is out of range.
        """
        for name in ("per_device_train_batch_size", "gradient_accumulation_steps"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name}={getattr(self, name)}: expected at least 1")
        if (self.warmup_steps or 0) < 0:
            raise UserError(f"--warmup_steps={self.warmup_steps}: expected 0 or more, or None")
        for name in ("batch_seconds", "batch_tokens"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"--{name}={value:g}: expected more than 0, or None")
        if self.max_steps < 1 and self.num_train_epochs <= 0:
            raise UserError(
                f"--num_train_epochs={self.num_train_epochs:g} --max_steps={self.max_steps}: "
                "nothing to train",
                "Give one of them a positive number.",
            )


def full_learning_rate(width: int) -> float:
    """The learning rate for all weights of a model, by its width.

    Args:
        width: `config.d_model`; a width between the published ones takes the next larger's rate,
            a smaller one tiny's scaled up in proportion (smaller models bear larger steps).
    """
    if width < min(RATE_BY_WIDTH):
        return RATE_BY_WIDTH[384] * 384 / width
    return next(rate for known, rate in RATE_BY_WIDTH.items() if known >= min(width, 1280))
