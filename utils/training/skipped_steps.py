"""Steps whose gradient cannot be used are skipped, counted, and their examples named."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import torch

from utils.cli.console import warn
from utils.cli.errors import Failure
from utils.model.distributed import gather_all, sum_over_processes

MEDIAN_OVER = 100
"""Good steps that a gradient's length is compared with."""
MEDIAN_NEEDS = 20
"""Good steps before anything counts as a spike."""
NAMES_SHOWN = 20


class SkippedSteps:
    """Judges each step's gradient, the same on all processes and when resumed.

    Args:
        max_in_a_row: steps that are skipped one after another; one more ends the run.
        max_spike: a gradient longer than the running median by this factor is bad; None: only NaN
            and infinite ones.

    Attributes:
        total: skipped steps so far.
        in_a_row: of them, the last ones without a good one between.
    """

    def __init__(self, max_in_a_row: int, max_spike: float | None = None) -> None:
        self.max_in_a_row = max_in_a_row
        self.max_spike = max_spike
        self.total = 0
        self.in_a_row = 0
        self._norms: list[float] = []
        self._parts: list[tuple[torch.Tensor, list[str]]] = []

    def begin_step(self) -> None:
        """Forget the micro-batches of the step before."""
        self._parts.clear()

    def note(self, loss: torch.Tensor, utterances: Sequence[tuple[str, float]]) -> None:
        """Remember a micro-batch.

        Args:
            loss: its share of the step's, float scalar.
            utterances: ids and seconds of its examples.
        """
        self._parts.append((loss.detach(), [name for name, _ in utterances]))

    def why_unusable(self, norm: float, *, may_overflow: bool = False) -> str | None:
        """Judge the step; all processes must ask together.

        Args:
            norm: length of the gradient over all processes, before it was shortened.
            may_overflow: whether float16's scale is still being found: then an infinite gradient
                is its way of doing so, and nothing is wrong.

        Returns:
            What is wrong with it, or None.
        """
        losses = [loss.float().reshape(()) for loss, _ in self._parts]
        total = float(torch.stack(losses).sum()) if losses else 0.0
        (bad_losses,) = sum_over_processes(float(not math.isfinite(total)))
        if bad_losses:
            return "the loss is not a finite number"
        if not math.isfinite(norm):
            return None if may_overflow else f"the gradient is {norm}"
        if self.max_spike is not None and len(self._norms) >= MEDIAN_NEEDS:
            median = statistics.median(self._norms)
            if norm > self.max_spike * median:
                return f"the gradient's length is {norm:.3g}, where {median:.3g} is usual"
        return None

    def accept(self, norm: float) -> None:
        """Count a good step, whose gradient has this finite length."""
        self.in_a_row = 0
        self._norms = [*self._norms[1 - MEDIAN_OVER :], norm]

    def reject(self, step: int, reason: str) -> None:
        """Count a skipped step and name its examples; all processes must call it together.

        Args:
            step: its number.
            reason: of `why_unusable`.

        Raises:
            Failure: if there were too many in a row.
        """
        self.total += 1
        self.in_a_row += 1
        everyone = [name for _, ids in self._parts for name in ids]
        names = gather_all(self._culprits()) or gather_all(everyone)
        shown = ", ".join(names[:NAMES_SHOWN])
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        if self.in_a_row > self.max_in_a_row:
            raise Failure(
                f"{self.in_a_row} steps in a row had no usable gradient; at step {step} {reason}, "
                f"learning from {shown}{more}",
                "If these recordings are sound (check_data.py), lower --learning_rate, or train "
                "with --fp16=False.\nThe weights are those of the last good step; checkpoints "
                "are intact.",
            )
        warn(f"step {step} is skipped: {reason}; it learned from {shown}{more}")

    def _culprits(self) -> list[str]:
        """Examples of this process's micro-batches whose own loss is not finite."""
        return [n for loss, ids in self._parts if not math.isfinite(float(loss)) for n in ids]

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"total": self.total, "in_a_row": self.in_a_row, "norms": self._norms}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        self.total, self.in_a_row = state["total"], state["in_a_row"]
        self._norms = list(state["norms"])
