"""What was asked for is there, or the run ends before anything is loaded: nothing falls back.

Libraries answer some wishes with less than was asked, in silence: a launcher's precision that the
Trainer overrides, a compiler of accelerate's, steps added up by another number. Each is refused
here, with the flag that asks for it. How processes share out a model is held in `sharding/`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

from utils.cli.errors import UserError
from utils.model.precision import Precision, choose_precision
from utils.training.settings.common import TrainSettings
from utils.training.sharding.launch import is_on

UNSUPPORTED = {
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism_config (tensor, context or hybrid)",
}
"""What `accelerate launch` can ask for and no run here does."""


def refuse_what_is_not_there(
    settings: TrainSettings, environment: Mapping[str, str] = os.environ
) -> None:
    """Refuse a run that would do something other than was asked for.

    Args:
        settings: of the run.
        environment: as the launcher left it.

    Raises:
        UserError: naming the flag, and what is in its way.
    """
    for flag, module in _libraries(settings).items():
        expect_library(flag, module)
    precision = choose_precision(settings.fp16, settings.bf16)
    _expect_precision_of_launcher(environment, precision)
    _expect_steps_of_launcher(environment, settings)
    for variable, name in UNSUPPORTED.items():
        if is_on(environment, variable):
            raise UserError(
                f"`accelerate launch` was asked for {name}, which is not supported",
                "Use one of configs/accelerate/: DDP, FSDP2 or ZeRO.",
            )
    backend = environment.get("ACCELERATE_DYNAMO_BACKEND", "no")
    if backend.lower() not in ("no", ""):
        raise UserError(
            f"`accelerate launch` was asked for --dynamo_backend={backend}; the layers are "
            "compiled by --use_compile=True, for fixed window lengths",
            "Leave --dynamo_backend and dynamo_config out, and give --use_compile=True.",
        )


def _libraries(settings: TrainSettings) -> dict[str, str]:
    """Flags of a run that need a library, and its module."""
    needed = {
        "--use_8bit=True": settings.use_8bit,
        "--use_4bit=True": settings.use_4bit,
        "--optim=adamw_8bit": settings.optim == "adamw_8bit",
    }
    return {flag: "bitsandbytes" for flag, asked in needed.items() if asked}


def expect_library(flag: str, module: str) -> None:
    """See that a library can be imported.

    Args:
        flag: that needs it, as the user gives it.
        module: its name.

    Raises:
        UserError: if it is missing, or does not work.
    """
    try:
        importlib.import_module(module)
    except Exception as error:  # a library that finds no driver may raise anything
        missing = isinstance(error, ModuleNotFoundError) and error.name == module
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        problem = "is not installed" if missing else f"does not work: {reason}"
        raise UserError(
            f"{flag} needs {module}, which {problem}",
            f"pip install {module} -c constraints.txt, or leave {flag.split('=')[0]} out",
        ) from error


def _expect_precision_of_launcher(environment: Mapping[str, str], precision: Precision) -> None:
    asked = environment.get("ACCELERATE_MIXED_PRECISION", "no").lower()
    if asked in ("no", "", precision.name):
        return
    flag = f"--{asked}=True" if asked in ("fp16", "bf16") else "--bf16=True"
    raise UserError(
        f"`accelerate launch` was asked for --mixed_precision={asked}, and this run computes in "
        f"{precision.name}",
        f'Set mixed_precision: "no" for the launcher; {flag} chooses the format.',
    )


def _expect_steps_of_launcher(environment: Mapping[str, str], settings: TrainSettings) -> None:
    for variable, flag, value in (
        (
            *("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "gradient_accumulation_steps"),
            settings.gradient_accumulation_steps,
        ),
        ("ACCELERATE_GRADIENT_CLIPPING", "max_grad_norm", settings.max_grad_norm),
    ):
        asked = environment.get(variable, "auto")
        # One batch a step is also what accelerate writes where nobody asked.
        if asked.lower() in ("auto", "none", "", "1", "1.0") or _is_number(asked, value):
            continue
        raise UserError(
            f"`accelerate launch` was asked for {asked} where --{flag}={value:g}",
            f"Set {flag.replace('max_grad_norm', 'gradient_clipping')}: auto in its file; "
            f"--{flag} decides.",
        )


def _is_number(text: str, value: float) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False


def expect_precision(accelerator: Any, arguments: Any) -> None:
    """Hold the format that a prepared run computes in against what was asked for.

    Args:
        accelerator: of the Trainer.
        arguments: the Trainer's own settings.

    Raises:
        UserError: if it is another.
    """
    asked = "fp16" if arguments.fp16 else "bf16" if arguments.bf16 else "no"
    found = str(accelerator.mixed_precision)
    if found != asked:
        raise UserError(
            f"{'float32' if asked == 'no' else f'--{asked}=True'} was asked for, and accelerate "
            f"would compute in {'float32' if found == 'no' else found}",
            'Leave mixed_precision to --fp16 and --bf16; the launcher\'s file should say "no".',
        )


def expect_optimizer(optimizer: Any, arguments: Any) -> None:
    """See that the optimizer with averages in 8 bits is the one that runs.

    Args:
        optimizer: the Trainer's, prepared.
        arguments: the Trainer's own settings.

    Raises:
        UserError: if another runs.
    """
    bare = getattr(optimizer, "optimizer", optimizer)
    if "8bit" in str(arguments.optim) and not type(bare).__module__.startswith("bitsandbytes"):
        raise UserError(
            f"--optim=adamw_8bit was asked for, and {type(bare).__name__} would run",
            "Leave --optim out, or install the versions in constraints.txt.",
        )
