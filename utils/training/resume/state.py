"""What the next step and log line depend on, and the Trainer's own checkpoint leaves out."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from utils.cli.files import atomic_write
from utils.data.batching import BatchPlan

STATE_FILE = "resume_state.json"


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
        content = json.loads(path.read_text(encoding="utf-8"))
        if "guard" in content:  # its earlier name
            content["skipped_steps"] = content.pop("guard")
        known = {name: value for name, value in content.items() if name in cls.__annotations__}
        return cls(**known)


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
