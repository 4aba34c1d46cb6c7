"""ZeRO through DeepSpeed: the hooks into DeepSpeed and into what transformers knows of it.

tests/training/test_library_hooks.py holds that they are there in the installed versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers.integrations import deepspeed as hf_deepspeed

from utils.training.sharding.launch import ZERO


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


@contextmanager
def generation_on_its_own() -> Iterator[None]:
    """Let this process generate without waiting for the others after every token.

    transformers synchronises generation wherever its global DeepSpeed configuration is set; a whole
    model, of which every process has a copy, needs no such thing.
    """
    waiting = hf_deepspeed._hf_deepspeed_config_weak_ref
    hf_deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        hf_deepspeed._hf_deepspeed_config_weak_ref = waiting


def whole_weight(parameter: nn.Parameter) -> torch.Tensor:
    """A sharded weight in one piece; of one in half precision the float32 one that is trained.

    All processes must ask together.

    Args:
        parameter: of a model that DeepSpeed trains.

    Returns:
        The weight in its whole shape, without a gradient.
    """
    import deepspeed

    if parameter.requires_grad and parameter.dtype != torch.float32:
        exact = deepspeed.utils.safe_get_full_fp32_param(parameter)
        if exact is not None:
            return exact.detach().view(getattr(parameter, "ds_shape", parameter.shape))
    if not hasattr(parameter, "ds_tensor"):
        return parameter.detach()
    with deepspeed.zero.GatheredParameters([parameter]):
        return parameter.detach().clone()
