"""AdaLoRA's moving ranks."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback


class RankAllocation(TrainerCallback):
    """Lets AdaLoRA move its ranks; without this call they never do.

    Args:
        model: the PeftModel.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure importance and mask, while the step's gradients are still there."""
        if all(parameter.grad is None for parameter in self.model.parameters()):
            return  # a bad step, which is skipped
        self.model.base_model.update_and_allocate(state.global_step)
