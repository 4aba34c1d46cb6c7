"""FSDP2 through accelerate, also on CPUs: the hooks into accelerate's own state.

tests/training/test_library_hooks.py holds that they are there in the installed version.
"""

from __future__ import annotations

import os
from dataclasses import replace

import torch
from accelerate import Accelerator, DistributedType, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, PartialState

from utils.training.sharding.launch import is_on


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
