"""The whole model where it is needed, to score the dev set and to be saved, however sharded."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from utils.training.sharding.launch import is_sharded
from utils.training.sharding.zero import generation_on_its_own, whole_weight


class WholeModel:
    """The model in one piece, wherever its weights lie while it is trained.

    Args:
        model: before it is sharded; nothing of its weights is kept.
        sharing: as of `sharing_asked_for`.
    """

    def __init__(self, model: nn.Module, sharing: str) -> None:
        self.sharded = is_sharded(sharing)
        if self.sharded:
            empty = {id(p): _empty(p) for p in model.parameters()}
            # Tied weights share an entry, so that they stay tied in the copy.
            self.copy = copy.deepcopy(model, dict(empty))

    @contextmanager
    def of(self, model: Any) -> Iterator[Any]:
        """The whole model on every process; all of them must come here together.

        Args:
            model: in training, without what the launcher wrapped around it.

        Yields:
            The model itself where it is whole already, else a copy in float32, on the same
            device, which is emptied afterwards.
        """
        if not self.sharded:
            yield model
            return
        state = {name: tensor.float() for name, tensor in _whole_weights(model)}
        self.copy.load_state_dict(state, assign=True)
        del state
        whisper: Any = self.copy
        if hasattr(whisper, "get_base_model"):
            whisper = whisper.get_base_model()
        whisper.tie_weights()
        self.copy.eval()
        try:
            with generation_on_its_own():
                yield self.copy
        finally:
            self.copy.to("meta")


def _empty(parameter: nn.Parameter) -> nn.Parameter:
    shape = torch.empty_like(parameter, device="meta")
    return nn.Parameter(shape, requires_grad=parameter.requires_grad)


@torch.no_grad()
def _whole_weights(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Every weight and buffer by its name, gathered from all processes one after another."""
    yield from model.named_buffers()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if isinstance(parameter, DTensor):
            yield name, parameter.full_tensor()
        elif hasattr(parameter, "ds_tensor") or parameter.dtype in (torch.bfloat16, torch.float16):
            yield name, whole_weight(parameter)
        else:
            yield name, parameter.detach()
