"""What really runs, held against what was asked for: no fallback goes unnoticed."""

from __future__ import annotations

from typing import Any, cast

import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from utils.cli.console import process_count
from utils.cli.errors import UserError
from utils.training.sharding.launch import DDP, FSDP2, ONE, ZERO


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
        UserError: if something else runs.
    """
    found = sharing_of(prepared)
    joined = dist.get_world_size() if dist.is_initialized() else 1
    if asked == ONE and found == DDP:  # torchrun with one process: nothing is shared out
        found = ONE
    if found != asked or joined != process_count():
        raise UserError(
            f"{process_count()} processes with {asked} were asked for, and {joined} with {found} "
            "would run",
            "Start it as docs/distributed.md shows, with the versions in constraints.txt.",
        )
