"""The loss of a step: mean nats a token over everything the optimizer step has seen.

B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from utils.speech.labels import IGNORED


def token_loss_sum(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Cross-entropy summed over the tokens that count.

    Args:
        logits: float `(B, T, V)`.
        labels: int64 `(B, T)`, the token that each position should say; -100 does not count.
        smoothing: share of the target probability spread over the vocabulary.

    Returns:
        float32 scalar, nats; 0 with a gradient of 0 if no token counts.
    """
    return functional.cross_entropy(
        logits.flatten(0, 1).float(),
        labels.flatten(),
        ignore_index=IGNORED,
        label_smoothing=smoothing,
        reduction="sum",
    )


class StepLoss:
    """The Trainer's `compute_loss_func`.

    The Trainer counts the labels of the whole effective batch, over accumulation and processes,
    and passes their number; dividing by it makes the gradient independent of how the step was cut.

    Args:
        smoothing: as of `token_loss_sum`.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing

    def __call__(
        self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """This micro-batch's part of the step's loss, float32 scalar."""
        total = token_loss_sum(outputs.logits, labels, self.smoothing)
        if num_items_in_batch is None:
            num_items_in_batch = labels.ne(IGNORED).sum()
        # A step whose every file was unreadable has no token: its loss is 0, not 0 / 0.
        return total / torch.as_tensor(num_items_in_batch, device=total.device).clamp(min=1)
