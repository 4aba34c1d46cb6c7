"""What several processes share out: the data alone (DDP), or also the model (FSDP2, ZeRO).

`accelerate launch` asks for a way of sharing through environment variables, and its library falls
back in silence where it cannot follow: to DDP on CPUs, to one process with `--cpu`. Here what was
asked for is read, made to work on CPUs too, and held against what runs.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator, DistributedType
from accelerate.state import AcceleratorState, PartialState
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from transformers.integrations import deepspeed as hf_deepspeed

from utils.cli.console import process_count
from utils.cli.errors import Failure, UserError

ONE, DDP, FSDP2, ZERO = "one process", "DDP", "FSDP2", "ZeRO"
# What mpirun and srun tell each of the processes that they start.
FOREIGN_COUNTS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
USE_TORCHRUN = (
    "Two processes: torchrun --nproc_per_node=2 finetune.py ...\n"
    "or accelerate launch --config_file configs/accelerate/ddp.yaml finetune.py ..."
)


def sharing_asked_for(environment: Mapping[str, str] = os.environ) -> str:
    """How the launcher's environment wants the processes to share out their work.

    Args:
        environment: as the launcher left it.

    Returns:
        "one process", "DDP", "FSDP2", "ZeRO 1", "ZeRO 2" or "ZeRO 3".

    Raises:
        UserError: if it asks for processes that were not started, for a library that is not
            installed, or for what does not work here.
    """
    count = int(environment.get("WORLD_SIZE", "1"))
    _expect_processes(environment)
    if _is_on(environment, "ACCELERATE_USE_DEEPSPEED"):
        if not hf_deepspeed.is_deepspeed_available():
            raise UserError(
                "DeepSpeed was asked for and is not installed",
                "DS_BUILD_OPS=0 pip install -r requirements-deepspeed.txt -c constraints.txt",
            )
        sharing = f"{ZERO} {_zero_stage(environment)}"
    elif _is_on(environment, "ACCELERATE_USE_FSDP"):
        if environment.get("FSDP_VERSION", "1") != "2":
            raise UserError(
                "FSDP in its first version was asked for; only FSDP2 is supported",
                "Use configs/accelerate/fsdp2.yaml, or set fsdp_version: 2 in your file.",
            )
        if _is_on(environment, "FSDP_CPU_RAM_EFFICIENT_LOADING"):
            raise UserError(
                "fsdp_cpu_ram_efficient_loading would load the model on one process only; every "
                "process needs it before it is sharded",
                "Set fsdp_cpu_ram_efficient_loading: false, as configs/accelerate/fsdp2.yaml does.",
            )
        sharing = FSDP2
    else:
        return DDP if count > 1 else ONE
    if "RANK" not in environment:
        raise UserError(
            f"{sharing} was asked for, and `accelerate launch` started one process without it",
            "Set use_cpu: false in the file and leave out --cpu: without a GPU the processes use "
            "the CPU anyway.",
        )
    return sharing


def _expect_processes(environment: Mapping[str, str]) -> None:
    """Find out where a launcher meant several processes and each would train by itself."""
    if "RANK" in environment:
        return
    for name in FOREIGN_COUNTS:
        if int(environment.get(name, "1") or "1") > 1:
            raise UserError(
                f"{name}={environment[name]}: this is one of several processes, and none of them "
                "knows of the others",
                f"Let torchrun start them, once on each node.\n{USE_TORCHRUN}",
            )
    # accelerate names a meeting point only where it was told of several processes.
    if "ACCELERATE_MIXED_PRECISION" in environment and "MASTER_ADDR" in environment:
        raise UserError(
            "`accelerate launch` was asked for several processes and started one: --cpu and "
            "distributed_type: MULTI_CPU do so",
            f"{USE_TORCHRUN}\nIf one process is what you want: unset MASTER_ADDR",
        )


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "false").lower() in ("true", "1")


def _zero_stage(environment: Mapping[str, str]) -> int:
    path = environment.get("ACCELERATE_DEEPSPEED_CONFIG_FILE", "none")
    if path == "none":
        stage = environment.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
    else:
        stage = json.loads(Path(path).read_text("utf-8")).get("zero_optimization", {}).get("stage")
    if str(stage) not in ("1", "2", "3"):
        raise UserError(
            f"DeepSpeed was asked for with ZeRO stage {stage}; expected 1, 2 or 3",
            "For no sharding at all use DDP: configs/accelerate/ddp.yaml",
        )
    return int(stage)


def describe_sharing(sharing: str) -> str:
    """For the opening lines: "1 process", "2 processes, FSDP2"."""
    count = "1 process" if process_count() == 1 else f"{process_count()} processes"
    return count if sharing == ONE else f"{count}, {sharing}"


def is_sharded(sharing: str) -> bool:
    """Whether the processes share out more than the data."""
    return sharing not in (ONE, DDP)


def refuse_unshardable(sharing: str, settings: Any) -> None:
    """Refuse what a sharded model cannot do, before anything is loaded.

    Args:
        sharing: as of `sharing_asked_for`.
        settings: of the run.

    Raises:
        UserError: naming the setting.
    """
    if not is_sharded(sharing):
        return
    reasons = {
        "use_adalora": "moves its ranks by whole gradients",
        "use_8bit": "holds weights in a form that cannot be sharded",
        "use_4bit": "holds weights in a form that cannot be sharded",
        "use_compile": "compiles layers whose weights come and go",
        "profile": "measures a model that is whole",
    }
    for name, reason in reasons.items():
        if getattr(settings, name, False):
            raise UserError(
                f"--{name}=True {reason}, and {sharing} shards the model",
                "Leave it out, or use DDP: configs/accelerate/ddp.yaml",
            )
    if settings.optim != "adamw":
        raise UserError(
            f"--optim={settings.optim} does not work with {sharing}, which shards the optimizer",
            "Use --optim=adamw; sharded, it takes a part of the memory on each process.",
        )
    if settings.auto_batch and (settings.batch_seconds or settings.batch_tokens):
        raise UserError(
            f"--auto_batch=True cuts batches by seconds or tokens into pieces, as many as each "
            f"process needs; under {sharing} all processes must compute in step",
            "Give --batch_seconds or --batch_tokens that fit, or use "
            "--per_device_train_batch_size with --auto_batch.",
        )


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


def shard_on_cpu(accelerator: Accelerator) -> None:
    """Let accelerate shard with FSDP2 on CPUs; by itself it falls back to DDP in silence.

    Args:
        accelerator: just made; changed only where FSDP was asked for and is not used.
    """
    state = accelerator.state
    if not _is_on(os.environ, "ACCELERATE_USE_FSDP") or state.distributed_type in (
        DistributedType.FSDP,
        DistributedType.NO,
    ):
        return
    from accelerate import FullyShardedDataParallelPlugin

    plugin = FullyShardedDataParallelPlugin()  # reads what the launcher set
    if state.mixed_precision != "no":
        plugin.set_mixed_precision(state.mixed_precision)
    for shared in (PartialState._shared_state, AcceleratorState._shared_state):
        shared["distributed_type"] = DistributedType.FSDP
    AcceleratorState._shared_state["fsdp_plugin"] = plugin


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
        whole = [n for n, p in prepared.named_parameters() if not isinstance(p, DTensor)]
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
        whisper = getattr(self.copy, "get_base_model", lambda: self.copy)()
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
        elif hasattr(parameter, "ds_tensor"):
            import deepspeed

            with deepspeed.zero.GatheredParameters([parameter]):
                yield name, parameter.detach().clone()
        else:
            yield name, parameter.detach()
