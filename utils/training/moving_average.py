"""A moving average of the weights, which is what is scored and kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback

FILE = "averaged_weights.safetensors"


class MovingAverage(TrainerCallback):
    """Follows the trained weights slowly; noise of single steps cancels out.

    After step t the average moves by `1 - min(decay, (1 + t) / (10 + t))` towards the weights, so
    that it does not hang on to where the run began.

    torch's `AveragedModel` comes to the same bits (a test holds both together) but copies the model
    with all that is frozen, or a list of weights without their names; what a checkpoint keeps, and
    the exchange for scoring, would stand here all the same.

    Args:
        model: what is trained.
        decay: share of the average that stays at each step, such as 0.999.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.average: dict[str, torch.Tensor] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin with the weights, unless a checkpoint's average is there already."""
        for name, parameter in self.trained.items():
            known = self.average.get(name, parameter)
            self.average[name] = known.detach().clone().to(parameter.device)

    @torch.no_grad()
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move towards the weights."""
        step = state.global_step
        stays = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in self.trained.items():
            self.average[name].lerp_(parameter, 1 - stays)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the averaged weights for a while."""
        if not self.average:
            yield
            return
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, parameter in self.trained.items():
            weights = parameter.detach().clone()
            parameter.copy_(self.average[name])
            self.average[name] = weights

    def save(self, folder: Path) -> None:
        """Write the average into a checkpoint, beside the weights that training goes on with."""
        tensors = {name: tensor.contiguous().cpu() for name, tensor in self.average.items()}
        save_file(tensors, folder / FILE)

    def load(self, folder: Path) -> None:
        """Take the average of a checkpoint."""
        if (folder / FILE).is_file():
            self.average = load_file(folder / FILE)
