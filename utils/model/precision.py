"""Number formats that a device can really do."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from utils.cli.console import process_count, warn
from utils.cli.errors import UserError

LAUNCHER_SAYS = "ACCELERATE_MIXED_PRECISION"


@dataclass(frozen=True)
class Precision:
    """How the training computes: at most one of the two is set, else float32."""

    fp16: bool = False
    bf16: bool = False

    @property
    def name(self) -> str:
        """Name of the format for people."""
        return "fp16" if self.fp16 else "bf16" if self.bf16 else "float32"


def choose_precision(
    fp16: bool | None, bf16: bool | None, device: torch.device | None = None
) -> Precision:
    """The format to train in; what was asked for, or else what the device does best.

    A CPU with arithmetic for bfloat16 takes it: a step of whisper-base takes two thirds as long as
    in float32, with the same loss (docs/training.md). Several processes on CPUs keep float32, which
    is what gloo sums, and so does a launcher that says `--mixed_precision=no`.

    Args:
        fp16: True or False as asked for by the user, None to choose here.
        bf16: likewise.
        device: where the model runs; the default device if None.

    Raises:
        UserError: if both are asked for, or one that the device cannot do.
    """
    from utils.model.distributed import device_of_this_process

    kind = (device or device_of_this_process()).type
    if fp16 and bf16:
        raise UserError("--fp16=True and --bf16=True exclude each other", "Give one of them.")
    if fp16 and kind != "cuda":
        raise UserError(
            f"--fp16=True needs an NVIDIA GPU; this machine trains on {kind}",
            "Leave --fp16 out: the format is then chosen by what the device can do.",
        )
    if bf16 and not bf16_works(kind):
        raise UserError(
            f"--bf16=True is not supported by this {kind} device",
            "Leave --bf16 out: the format is then chosen by what the device can do.",
        )
    if fp16 or bf16:
        return Precision(bool(fp16), bool(bf16))
    if kind == "cpu":
        asked = os.environ.get(LAUNCHER_SAYS, "").lower() != "no" and process_count() == 1
        return Precision(bf16=bf16 is None and asked and cpu_computes_bf16(unknown=False))
    if kind != "cuda":
        return Precision()
    if bf16 is None and bf16_works(kind):
        return Precision(bf16=True)
    return Precision(fp16=fp16 is None)


def warn_if_slow(precision: Precision, device: torch.device | None = None) -> None:
    """Warn, once a run, of a format that the device computes in a roundabout way.

    Args:
        precision: as `choose_precision` gave it.
        device: where the model runs; the default device if None.
    """
    from utils.model.distributed import device_of_this_process

    kind = (device or device_of_this_process()).type
    if precision.bf16 and kind == "cpu" and not cpu_computes_bf16():
        warn(
            "--bf16=True is slow on this CPU, which has no arithmetic for it "
            "(avx512_bf16 or amx_bf16): leave it out, and float32 takes a third of the time"
        )


def cpu_computes_bf16(*, unknown: bool = True) -> bool:
    """Whether the CPU has arithmetic for bfloat16; `unknown` if torch is too old (before 2.10).

    Without it a product takes three times as long as in float32 (512 x 512 x 2048 on one core of a
    Xeon with AVX-512 alone: 39 ms to 12 ms).
    """
    if not hasattr(torch.cpu, "get_capabilities"):
        return unknown
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def bf16_works(kind: str) -> bool:
    """Whether bfloat16 can be computed on this kind of device ("cuda", "cpu", "mps")."""
    return kind == "cpu" or (kind == "cuda" and torch.cuda.is_bf16_supported())
