"""AdaLoRA's moving ranks, and what a checkpoint holds so that they go on moving the same way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import TrainerCallback

FILE = "adalora_state.safetensors"
_SCORES = ("ipt", "exp_avg_ipt", "exp_avg_unc")


class RankAllocation(TrainerCallback):
    """Lets AdaLoRA move its ranks; without this call they never do.

    An adapter is saved with the ranks that it has come down to, which is right for using it and too
    little for training on: a rank that is out may come back. Checkpoints therefore also hold the
    factors at their first size and the importance that was measured so far.

    Args:
        model: the PeftModel.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure importance and mask, while the step's gradients are still there."""
        self.model.base_model.update_and_allocate(state.global_step)

    @property
    def _trained(self) -> dict[str, torch.Tensor]:
        return {n: p.detach() for n, p in self.model.named_parameters() if p.requires_grad}

    def save(self, folder: Path) -> None:
        """Write the whole factors, the scores and the present ranks into a checkpoint."""
        allocator = self.model.base_model.rankallocator
        tensors = {f"weights/{name}": tensor for name, tensor in self._trained.items()}
        for score in _SCORES:
            for name, tensor in getattr(allocator, score).items():
                tensors[f"{score}/{name}"] = tensor.detach()
        pattern = self.model.peft_config["default"].rank_pattern
        kept = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
        save_file(kept, folder / FILE, metadata={"rank_pattern": json.dumps(pattern)})

    @torch.no_grad()
    def load(self, folder: Path) -> bool:
        """Take all of it back; False for a checkpoint that holds none of it."""
        if not (folder / FILE).is_file():
            return False
        allocator, trained = self.model.base_model.rankallocator, self._trained
        with safe_open(folder / FILE, framework="pt") as file:
            pattern = json.loads((file.metadata() or {}).get("rank_pattern", "null"))
            for key in file.keys():  # noqa: SIM118 - it is no dict
                kind, _, name = key.partition("/")
                if kind == "weights":
                    trained[name].copy_(file.get_tensor(key))
                else:
                    device = next(iter(trained.values())).device
                    getattr(allocator, kind)[name] = file.get_tensor(key).to(device)
        self.model.peft_config["default"].rank_pattern = pattern
        return True
