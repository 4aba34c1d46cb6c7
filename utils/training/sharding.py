"""What several processes share out: the data alone (DDP), or also the model (FSDP2, ZeRO).

Sharding is made to work on CPUs too, held against what was asked for, and undone for a while where
a whole model is needed: to transcribe the dev set and to be saved.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import torch
import torch.distributed as dist
from accelerate import Accelerator, DistributedType, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, PartialState
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from transformers.integrations import deepspeed as hf_deepspeed

from utils.cli.console import process_count
from utils.cli.errors import Failure
from utils.training.launch import DDP, FSDP2, ONE, ZERO, is_on, is_sharded


def keep_models_whole(sharing: str) -> None:
    """Let every process load the whole model, and DeepSpeed compile nothing; nothing else changes.

    Called between the Trainer's settings, which turn on sharding while loading for ZeRO 3, and the
    loading of the model.

    Args:
        sharing: as of `sharing_asked_for`.
    """
    if not sharing.startswith(ZERO):
        return
    hf_deepspeed.unset_hf_deepspeed_config()
    import deepspeed.ops

    # On CPUs it would be compiled at start, and a lock that a killed run left would block forever.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def prepare_fsdp(accelerator: Accelerator) -> None:
    """Let accelerate shard with FSDP2 on CPUs too, and sum in float32 everywhere.

    By itself it falls back to DDP on CPUs in silence, and rounds the loss and the summed gradients
    to the half precision that the layers compute in.

    Args:
        accelerator: just made; changed only where FSDP was asked for.
    """
    state = accelerator.state
    if not is_on(os.environ, "ACCELERATE_USE_FSDP"):
        return
    if state.distributed_type == DistributedType.MULTI_CPU:
        plugin = FullyShardedDataParallelPlugin()  # reads what the launcher set
        if state.mixed_precision != "no":
            plugin.set_mixed_precision(state.mixed_precision)
        for shared in (PartialState._shared_state, AcceleratorState._shared_state):
            shared["distributed_type"] = DistributedType.FSDP
        AcceleratorState._shared_state["fsdp_plugin"] = plugin
    plugin = getattr(state, "fsdp_plugin", None)
    if plugin is not None and plugin.mixed_precision_policy is not None:
        plugin.mixed_precision_policy = replace(
            plugin.mixed_precision_policy, reduce_dtype=torch.float32, output_dtype=None
        )


def sharing_of(prepared: Any) -> str:
    """How a model that is ready to be trained is shared out: by what it is, not by any setting.

    Args:
        prepared: what the Trainer calls in its steps.

    Returns:
        As of `sharing_asked_for`.
    """
    if isinstance(prepared, DistributedDataParallel):
        return DDP
    if isinstance(prepared, FSDPModule):
        named = cast(nn.Module, prepared).named_parameters()
        whole = [n for n, p in named if not isinstance(p, DTensor)]
        return FSDP2 if not whole else f"FSDP2 but for {whole[0]}"
    stage = getattr(prepared, "zero_optimization_stage", None)
    if stage is None:
        return ONE
    parameters = list(prepared.module.parameters())
    sharded = [p for p in parameters if hasattr(p, "ds_tensor")]
    if (len(sharded) == len(parameters)) != (stage() == 3):
        return f"{ZERO} {stage()} with {len(sharded)} of {len(parameters)} weights sharded"
    return f"{ZERO} {stage()}"


def expect_sharing(prepared: Any, asked: str) -> None:
    """Hold what runs against what was asked for.

    Args:
        prepared: what the Trainer calls in its steps.
        asked: as of `sharing_asked_for`.

    Raises:
        Failure: if something else runs.
    """
    found = sharing_of(prepared)
    joined = dist.get_world_size() if dist.is_initialized() else 1
    if asked == ONE and found == DDP:  # torchrun with one process: nothing is shared out
        found = ONE
    if found != asked or joined != process_count():
        raise Failure(
            f"{process_count()} processes with {asked} were asked for, and {joined} with {found} "
            "would run",
            "Start it as docs/distributed.md shows, with the versions in constraints.txt.",
        )


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
        # While this is set, generating would wait for the other processes after every token.
        waiting = hf_deepspeed._hf_deepspeed_config_weak_ref
        hf_deepspeed.unset_hf_deepspeed_config()
        try:
            yield self.copy
        finally:
            hf_deepspeed._hf_deepspeed_config_weak_ref = waiting
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
            yield name, _from_deepspeed(parameter)
        else:
            yield name, parameter.detach()


def _from_deepspeed(parameter: nn.Parameter) -> torch.Tensor:
    """A sharded weight in one piece; of one in half precision the float32 one that is trained."""
    import deepspeed

    if parameter.requires_grad and parameter.dtype != torch.float32:
        exact = deepspeed.utils.safe_get_full_fp32_param(parameter)
        if exact is not None:
            return exact.detach().view(getattr(parameter, "ds_shape", parameter.shape))
    if not hasattr(parameter, "ds_tensor"):
        return parameter.detach()
    with deepspeed.zero.GatheredParameters([parameter]):
        return parameter.detach().clone()
