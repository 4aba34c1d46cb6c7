"""What can be set about adapters."""

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError


@dataclass(frozen=True)
class AdapterSettings:
    """Which adapter is trained, and on what."""

    adapter: Literal["lora", "dora", "rslora", "pissa", "adalora"] = "lora"
    """LoRA, or a variant of it: dora splits off each update's length, rslora scales by the root of
    the rank (for ranks of 64 and more), pissa begins with the weights' largest parts, adalora moves
    ranks to where they are needed."""
    use_adalora: bool = False
    """The same as --adapter=adalora."""
    init_adapter: str | None = None
    """Adapter to begin with, one of this repository or of older scripts; it is trained further, and
    keeps its rank, scale and layers."""
    lora_rank: int = 32
    """Rank of the update of each linear layer; with adalora, the average one at the end."""
    lora_alpha: int = 64
    """Scale of the update; it is multiplied by alpha / rank."""
    lora_dropout: float = 0.0
    """Dropout on the adapter's input."""
    lora_targets: str = "all-linear"
    """Layers that are adapted: all-linear, or names and patterns separated by commas, such as
    q_proj,v_proj or decoder.layers.*.fc1."""
    lora_parts: Literal["both", "encoder", "decoder"] = "both"
    """Half of the model that is adapted."""
    rank_pattern: str | None = None
    """Other ranks for some layers, such as fc1=64,encoder.layers.0.*=8."""
    lora_plus_ratio: float = 1.0
    """LoRA+: learning rate of the second factor (B) relative to that of the first; the paper takes
    16."""
    adalora_init_rank: int | None = None
    """Rank that adalora begins with; half as much again as lora_rank if None."""
    use_8bit: bool = False
    """Hold the frozen weights in 8 bits (bitsandbytes)."""
    use_4bit: bool = False
    """Hold the frozen weights in 4 bits (bitsandbytes' nf4): half of the memory of 8 bits."""

    @property
    def adapter_type(self) -> str:
        """The adapter, whichever of the two flags names it."""
        return "adalora" if self.use_adalora else self.adapter

    def check_adapter(self) -> None:
        """Check what must hold between the settings of the adapter.

        Raises:
            UserError: if a number is out of range, or two settings exclude each other.
        """
        if self.use_adalora and self.adapter not in ("lora", "adalora"):
            raise UserError(
                f"--use_adalora=True and --adapter={self.adapter} exclude each other",
                "--adapter alone says it all.",
            )
        if self.lora_rank < 1 or not 0 <= self.lora_dropout < 1:
            raise UserError(
                f"--lora_rank={self.lora_rank} --lora_dropout={self.lora_dropout:g}: "
                "expected a rank of at least 1 and a dropout from 0 to below 1"
            )
        if not self.lora_plus_ratio > 0:
            raise UserError(f"--lora_plus_ratio={self.lora_plus_ratio:g}: expected more than 0")
        if self.init_adapter is not None and self.adapter_type in ("adalora", "pissa"):
            raise UserError(
                f"--init_adapter={self.init_adapter} cannot begin --adapter={self.adapter_type}, "
                "which makes its own beginning",
                "leave --adapter out: the adapter keeps its type",
            )
        is_adaptive = self.adapter_type == "adalora"
        if self.rank_pattern is not None and is_adaptive:
            raise UserError(
                f"--rank_pattern={self.rank_pattern} cannot go with adalora, which chooses ranks "
                "itself",
                "Leave one of them out.",
            )
        if self.adalora_init_rank is None:
            return
        if not is_adaptive or self.adalora_init_rank <= self.lora_rank:
            raise UserError(
                f"--adalora_init_rank={self.adalora_init_rank} with "
                f"--adapter={self.adapter_type} --lora_rank={self.lora_rank}: expected adalora, "
                "and more than lora_rank, the average rank that is left at the end"
            )
