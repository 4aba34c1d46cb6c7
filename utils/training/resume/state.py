"""What the next step and log line depend on, and the Trainer's own checkpoint leaves out."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainerState

from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.json_fields import shown
from utils.data.batching import BatchPlan

STATE_FILE = "resume_state.json"
HINT = "Take another checkpoint: --resume_from_checkpoint=auto takes the last whole one."
_STATE_TYPES = {
    **dict.fromkeys(("global_step", "max_steps", "num_train_epochs"), "int"),
    **dict.fromkeys(("epoch", "total_flos"), "float"),
    **dict.fromkeys(("logging_steps", "eval_steps", "save_steps"), "float"),
    **dict.fromkeys(("train_batch_size", "best_global_step"), "int | None"),
    "best_metric": "float | None",
    "best_model_checkpoint": "str | None",
    "log_history": "list[dict[str, Any]]",
    "stateful_callbacks": "dict[str, dict[str, Any]]",
}
"""Fields of trainer_state.json that something is computed from."""


@dataclass
class ResumeState:
    """Plain values of one checkpoint.

    Attributes:
        metrics_lines: lines of metrics.jsonl.
        last_evaluated_step: the last step that the dev set was scored at; -1 for none.
        evaluation_due: whether this step is still to be scored.
        last_logged_step: the step after which `losses_since_log` began.
        losses_since_log: sum of the losses since then, of each process.
        memory_limits: examples times frames computed at once, of each process; None for all.
        micro_batch: examples that a process computes at once, as it was found.
        accumulation: batches of them in a step.
        skipped_steps: state of what judges the steps.
        failures: utterances that could not be read: id and reason.
        rank_pattern: AdaLoRA's.
    """

    metrics_lines: int = 0
    last_evaluated_step: int = -1
    evaluation_due: bool = False
    last_logged_step: int = 0
    losses_since_log: list[float] = field(default_factory=list)
    memory_limits: list[int | None] = field(default_factory=list)
    micro_batch: int = 0
    accumulation: int = 0
    skipped_steps: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    rank_pattern: dict[str, list[bool]] | None = None

    def write(self, folder: Path) -> None:
        """Write it into a checkpoint's folder."""
        with atomic_write(folder / STATE_FILE) as file:
            json.dump(asdict(self), file)

    @classmethod
    def read(cls, folder: Path) -> ResumeState | None:
        """What a checkpoint holds; None for one that was written before there was such a file."""
        path = folder / STATE_FILE
        if not path.is_file():
            return None
        content = read_json_object(path, HINT, allow_nan=True)
        if "guard" in content:  # its earlier name
            content["skipped_steps"] = content.pop("guard")
        known = {name: value for name, value in content.items() if name in cls.__annotations__}
        for name, value in known.items():
            if not _fits(value, cls.__annotations__[name]):
                raise UserError(f"{path}: {name} is {shown(value)}; it was written otherwise", HINT)
        return cls(**known)


def expect_trainer_state(path: Path) -> None:
    """See that a `trainer_state.json` has what the library's Trainer takes from it.

    Raises:
        UserError: naming the field that is missing or of another type.
    """
    content = read_json_object(path, HINT, allow_nan=True)
    types = {each.name: str(each.type) for each in fields(TrainerState)}
    for name, value in content.items():
        if name not in types:
            raise UserError(f"{path}: the Trainer's state has no field {name[:60]!r}", HINT)
        kind = _STATE_TYPES.get(name, "Any")
        if not _fits(value, kind):
            raise UserError(f"{path}: {name} is {shown(value)}; expected {kind}", HINT)
    if "global_step" not in content:
        raise UserError(f"{path} has no global_step", HINT)


def _fits(value: Any, annotation: str) -> bool:
    """Whether a JSON value is of a type that is spelled as in this file."""
    if annotation == "Any":
        return True
    if annotation.endswith(" | None"):
        return value is None or _fits(value, annotation.removesuffix(" | None"))
    outer, _, inner = annotation.removesuffix("]").partition("[")
    if outer == "list":
        return type(value) is list and all(_fits(each, inner) for each in value)
    if outer == "dict":
        inner = inner.partition(", ")[2]
        return type(value) is dict and all(_fits(each, inner) for each in value.values())
    kinds = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}
    return type(value) in kinds[outer] and (type(value) is not int or 0 <= abs(value) < 1 << 53)


def cut_as_before(plan: BatchPlan, checkpoint: Path) -> BatchPlan:
    """Cut steps as the run did before it stopped, whatever memory is free by now.

    Sums over other pieces are rounded differently.

    Args:
        plan: as found for this start.
        checkpoint: that it goes on from.
    """
    kept = ResumeState.read(checkpoint)
    if kept is None or not plan.by_count:
        return plan
    same_size = kept.micro_batch * kept.accumulation == plan.micro_batch * plan.accumulation
    if not same_size:  # another number of processes
        return plan
    return replace(plan, micro_batch=kept.micro_batch, accumulation=kept.accumulation)


@contextmanager
def same_randomness() -> Iterator[None]:
    """Leave all random generators as they were, whatever is drawn inside."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
