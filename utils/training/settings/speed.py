"""What can be set about speed and memory."""

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError
from utils.cli.extras import expect_installed


@dataclass(frozen=True)
class SpeedSettings:
    """Speed and memory."""

    num_workers: int = 2
    """Processes that read and prepare audio; 0 does it in the training process."""
    fp16: bool | None = None
    """Train in float16; None chooses by what the device can do."""
    bf16: bool | None = None
    """Train in bfloat16; None takes it on GPUs that have it, and on CPUs that have arithmetic for
    it (avx512_bf16, amx_bf16) in runs of one process."""
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    """Recompute each layer in the backward pass instead of keeping its activations: a third more
    time for a fraction of the memory. auto: only where the batch would not fit otherwise."""
    auto_batch: bool = False
    """Find before training how many utterances fit into memory at once; the step stays as large as
    per_device_train_batch_size and gradient_accumulation_steps make it."""
    memory_budget: float | None = None
    """Memory that training may take, in GB a process; None takes a share of what is free."""
    optim: Literal["adamw", "adamw_8bit"] = "adamw"
    """Optimizer; adamw_8bit (bitsandbytes) holds its two averages in a quarter of the memory."""
    use_compile: bool = False
    """Compile the layers with torch.compile, for a dozen fixed window lengths."""
    loss_chunk: int | None = 256
    """Token positions whose logits are held at once; 0 or None holds those of the whole batch."""
    audio_cache: float | Literal["auto"] = 0.0
    """Disk space, in GB, for sound as it was decoded, so that later epochs need not decode again;
    auto: a quarter of the free space; 0: none."""
    profile: bool = False
    """Report after a few steps where the time went; the figures are also in profile.json."""

    def check_speed(self) -> None:
        """Check the numbers of memory.

        Raises:
            UserError: if one is out of range, or a library is not installed.
        """
        if self.optim == "adamw_8bit":
            expect_installed("bitsandbytes", f"--optim={self.optim}")
        if self.memory_budget is not None and self.memory_budget <= 0:
            raise UserError(f"--memory_budget={self.memory_budget:g}: expected GB, above 0")
        if (self.loss_chunk or 0) < 0 or (self.audio_cache != "auto" and self.audio_cache < 0):
            raise UserError(
                f"--loss_chunk={self.loss_chunk} --audio_cache={self.audio_cache}: "
                "expected 0 or more"
            )
