"""How a launcher wants several processes to share out their work, and what that rules out.

`accelerate launch` asks through environment variables, and falls back in silence where it cannot
follow. What it asked for is read here, and what cannot come of it is refused before anything loads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from transformers.integrations.deepspeed import is_deepspeed_available

from utils.cli.console import process_count
from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.training.settings.common import TrainSettings

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
    if is_on(environment, "ACCELERATE_USE_DEEPSPEED"):
        if not is_deepspeed_available():
            raise UserError(
                "DeepSpeed was asked for and is not installed",
                "DS_BUILD_OPS=0 pip install -r requirements/deepspeed.txt -c constraints.txt",
            )
        sharing = f"{ZERO} {_zero_stage(environment)}"
    elif is_on(environment, "ACCELERATE_USE_FSDP"):
        if environment.get("FSDP_VERSION", "1") != "2":
            raise UserError(
                "FSDP in its first version was asked for; only FSDP2 is supported",
                "Use configs/accelerate/fsdp2.yaml, or set fsdp_version: 2 in your file.",
            )
        if is_on(environment, "FSDP_CPU_RAM_EFFICIENT_LOADING"):
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


def is_on(environment: Mapping[str, str], name: str) -> bool:
    """Whether a launcher's variable says true."""
    return environment.get(name, "false").lower() in ("true", "1")


def _zero_stage(environment: Mapping[str, str]) -> int:
    path = environment.get("ACCELERATE_DEEPSPEED_CONFIG_FILE", "none")
    place = "" if path == "none" else f" (zero_optimization of {path})"
    if path == "none":
        stage = environment.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
    else:
        zero = read_json_object(Path(path)).get("zero_optimization")
        stage = str(zero.get("stage") if isinstance(zero, dict) else None)
    if stage not in ("1", "2", "3"):
        raise UserError(
            f"DeepSpeed was asked for with ZeRO stage {stage}{place}; expected 1, 2 or 3",
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


def refuse_unshardable(sharing: str, settings: TrainSettings) -> None:
    """Refuse what a sharded model cannot do, before anything is loaded.

    Args:
        sharing: as of `sharing_asked_for`.
        settings: of the run.

    Raises:
        UserError: naming the setting.
    """
    if not is_sharded(sharing):
        return
    for adapter_type, reason in (
        ("adalora", "moves its ranks by whole gradients"),
        ("pissa", "is saved as a difference to its whole beginnings"),
    ):
        if settings.adapter_type == adapter_type:
            raise UserError(
                f"--adapter={adapter_type} {reason}, and {sharing} shards the model",
                "Take --adapter=lora, or use DDP: configs/accelerate/ddp.yaml",
            )
    rounded = "holds weights in a form that cannot be sharded"
    grouped = "groups weights by their names"
    for name, value, nothing, reason in (
        ("use_8bit", settings.use_8bit, False, rounded),
        ("use_4bit", settings.use_4bit, False, rounded),
        ("use_compile", settings.use_compile, False, "compiles layers whose weights come and go"),
        ("profile", settings.profile, False, "measures a model that is whole"),
        ("ema_decay", settings.ema_decay, None, "averages weights that are whole"),
        ("layer_decay", settings.layer_decay, 1.0, grouped),
        ("lora_plus_ratio", settings.lora_plus_ratio, 1.0, grouped),
        ("find_learning_rate", settings.find_learning_rate, False, "puts whole weights back"),
        ("keep_mode", settings.keep_mode, "replay", "asks the base model in some processes only"),
    ):
        if value != nothing:
            raise UserError(
                f"--{name}={value} {reason}, and {sharing} shards the model",
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
