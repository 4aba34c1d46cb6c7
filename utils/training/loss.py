"""The loss of a step: mean nats a token over everything the optimizer step has seen.

B batch, T tokens.
"""

from __future__ import annotations

from typing import Any

import torch

from utils.data.labels import IGNORED


class StepLoss:
    """The Trainer's `compute_loss_func`.

    The Trainer counts the labels of the whole effective batch, over accumulation and processes,
    and passes their number; dividing by it makes the gradient independent of how the step was cut.

    Args:
        smoothing: share of the target probability spread over the vocabulary.
        chunk: token positions whose logits are held at once; 0 for all.
    """

    def __init__(self, smoothing: float = 0.0, chunk: int = 0) -> None:
        self.smoothing = smoothing
        self.chunk = chunk

    def model_inputs(self, labels: torch.Tensor) -> dict[str, Any]:
        """What `FlexibleWhisper` takes to answer with its loss.

        Args:
            labels: int64 `(B, T)`, the token that each position should say; -100 does not count.
        """
        options = {"label_smoothing": self.smoothing, "loss_chunk": self.chunk}
        return {"loss_labels": labels, **options}

    def __call__(
        self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """This micro-batch's part of the step's loss, float32 scalar.

        Args:
            outputs: the model's, with `token_loss_sum`.
            labels: int64 `(B, T)`, as of `model_inputs`.
            num_items_in_batch: tokens that count in the whole step; this micro-batch's if None.
        """
        if num_items_in_batch is None:
            num_items_in_batch = labels.ne(IGNORED).sum()
        total = outputs.token_loss_sum
        # A step whose every file was unreadable has no token: its loss is 0, not 0 / 0.
        return total / torch.as_tensor(num_items_in_batch, device=total.device).clamp(min=1)
