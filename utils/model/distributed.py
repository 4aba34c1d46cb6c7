"""Processes that work together, started by torchrun or accelerate; one process needs none of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from utils.cli.console import is_main_process, process_count, process_rank
from utils.cli.errors import Failure, UserError, refused_write
from utils.parallel.cores import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def init_distributed() -> None:
    """Join the process group that the launcher's environment describes, if there is one.

    NCCL on GPUs, gloo on CPUs. A single process, or one that has joined, only takes its share of
    the cores.
    """
    share_cores()
    if process_count() == 1 or dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl")
    else:
        dist.init_process_group("gloo")


def share_cores() -> None:
    """Let the processes of a machine share its cores, unless OMP_NUM_THREADS says how many.

    PyTorch takes all cores of the machine in every process: two processes on two cores would run
    four threads, and a container with two of sixty-four cores sixty-four.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return
    processes = max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    share = max(1, available_cores() // processes)
    torch.set_num_threads(min(torch.get_num_threads(), share))


def close_distributed() -> None:
    """Leave the process group, if one was joined."""
    if dist.is_initialized():
        dist.destroy_process_group()


def share_of(items: Sequence[Item]) -> list[Item]:
    """This process's share: every n-th item, none twice, none missing."""
    return list(items[process_rank() :: process_count()]) if dist.is_initialized() else list(items)


def gather_all(items: list[Item]) -> list[Item]:
    """Everyone's items, on every process, in the order of the ranks."""
    if not dist.is_initialized():
        return items
    parts: list[list[Item] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, items)
    return [item for part in parts for item in part or []]


def broadcast_object(value: Any) -> Any:
    """What rank 0 holds, on every process."""
    if not dist.is_initialized():
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


def on_main_process(action: Callable[[], Result]) -> Result:
    """What an action gives on rank 0, on every process.

    Raises:
        UserError: on every process, if the action raises it.
        Failure: likewise.
    """
    result: Any = None
    told: UserError | Failure | None = None
    if is_main_process():
        try:
            result = action()
        except (UserError, Failure) as error:
            told = error
    result, told = broadcast_object((result, told))
    if told is not None:
        raise told
    return result


def write_together(what: Path, hint: str, action: Callable[[], None]) -> None:
    """Write files on every process; if one of them cannot, all say so instead of waiting for it.

    Args:
        what: is written: a folder in an existing one.
        hint: what to do if it cannot be.
        action: does the writing of this process; with nothing in it that waits for others, unless
            these fail along.

    Raises:
        Failure: on every process, if the action failed on one.
    """
    reasons: list[str] = []
    caught: Exception | None = None
    try:
        action()
    except Exception as error:  # whatever it is, the others must not wait for this process
        caught = error
        told = refused_write(error, what.parent) or f"{type(error).__name__}: {error}"
        is_told = isinstance(error, (UserError, Failure))
        reasons = [str(error) if is_told else f"{what} could not be written: {told}"]
    reasons = gather_all(reasons)
    if caught is not None and refused_write(caught) is None:
        raise caught
    if reasons:
        raise Failure(reasons[0], hint) from caught


def sum_over_processes(*values: float) -> tuple[float, ...]:
    """Sum each number over the processes, in float64."""
    if not dist.is_initialized():
        return values
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    total = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return tuple(total.tolist())


def barrier() -> None:
    """Wait for all processes."""
    if dist.is_initialized():
        dist.barrier()


def device_of_this_process() -> torch.device:
    """The GPU of this process's local rank, Apple's GPU, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
