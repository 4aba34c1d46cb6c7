"""Cross-entropy from hidden states that never holds the logits of a whole batch.

The logits `(B, T, V)` of a small Whisper take more memory than all its activations: V is 51,866.
Only the positions whose label counts need any, and of those a few hundred at a time are enough:
each chunk's logits are made, turned into its loss and into its gradient in place, and dropped. The
gradient is therefore made in the forward pass, where the logits are, and costs the three matrix
products that it always costs; nothing is computed twice.

B batch, T tokens, N positions that count, D model width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from utils.data.labels import IGNORED

_HALF = (torch.float16, torch.bfloat16)


class VocabularyProjection(nn.Linear):
    """Hidden states to logits or, given labels, straight to their loss; weights `(V, D)`.

    As one module, so that whatever hooks on modules (DDP, FSDP, ZeRO, profilers) sees both uses.
    """

    def forward(
        self,
        hidden: torch.Tensor,
        labels: torch.Tensor | None = None,
        smoothing: float = 0.0,
        chunk: int = 0,
    ) -> torch.Tensor:
        """Logits, or the summed loss of the positions that count.

        Args:
            hidden: float `(B, T, D)`.
            labels: int64 `(B, T)`, -100 where no loss is wanted; None for logits.
            smoothing: share of the target probability spread over the vocabulary.
            chunk: positions whose logits are held at once; 0 for all.

        Returns:
            Without labels float `(B, T, V)`; with labels the sum over the positions that count,
            nats, a float32 scalar (float64 if `hidden` is).
        """
        if labels is None:
            return super().forward(hidden)
        counts = labels != IGNORED
        return token_loss_from_hidden(
            hidden[counts], self.weight, labels[counts], smoothing=smoothing, chunk=chunk
        )


def token_loss_from_hidden(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    labels: torch.Tensor,
    *,
    smoothing: float = 0.0,
    chunk: int = 0,
) -> torch.Tensor:
    """Summed cross-entropy of `hidden @ weight.T`; equal to the plain one but for rounding.

    Under autocast the products are computed in its format and everything else in float32, as
    autocast does with the plain loss.

    Args:
        hidden: float `(N, D)`.
        weight: float `(V, D)`.
        labels: int64 `(N,)`, each in [0, V).
        smoothing: as of `torch.nn.functional.cross_entropy`.
        chunk: positions at a time; 0 for all.

    Returns:
        Scalar, nats; 0 with gradients of 0 if N is 0.
    """
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind):
        # Casts made here are part of the graph: gradients return in the formats of the inputs.
        low = torch.get_autocast_dtype(kind)
        hidden, weight = hidden.to(low), weight.to(low)
    # Asked here: inside the function gradients are always off, and inputs say what they could have.
    wanted = [torch.is_grad_enabled() and part.requires_grad for part in (hidden, weight)]
    total: torch.Tensor = _TokenLoss.apply(hidden, weight, labels, smoothing, chunk, wanted)
    return total


class _TokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        labels: torch.Tensor,
        smoothing: float,
        chunk: int,
        wanted: list[bool],
    ) -> torch.Tensor:
        wants_hidden, wants_weight = wanted
        exact = torch.float32 if hidden.dtype in _HALF else hidden.dtype
        # Summed over chunks, the weight's gradient would lose the small parts in half precision.
        to_hidden = torch.empty_like(hidden) if wants_hidden else None
        to_weight = torch.zeros_like(weight, dtype=exact) if wants_weight else None
        total = torch.zeros((), dtype=exact, device=hidden.device)
        size = chunk or max(len(hidden), 1)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), size):
                part, targets = hidden[start : start + size], labels[start : start + size]
                loss, slope = _loss_and_slope(
                    (part @ weight.T).to(exact), targets, smoothing, any(wanted)
                )
                total += loss
                slope = slope.to(hidden.dtype) if any(wanted) else slope
                if to_hidden is not None:
                    torch.mm(slope, weight, out=to_hidden[start : start + size])
                if to_weight is not None:
                    if slope.dtype == exact:
                        to_weight.addmm_(slope.T, part)
                    else:
                        to_weight += slope.T @ part
        ctx.save_for_backward(to_hidden, to_weight)
        ctx.weight_dtype = weight.dtype
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        to_hidden, to_weight = ctx.saved_tensors
        if to_hidden is not None:
            to_hidden = to_hidden * grad.to(to_hidden.dtype)
        if to_weight is not None:
            to_weight = (to_weight * grad).to(ctx.weight_dtype)
        return to_hidden, to_weight, None, None, None, None


def _loss_and_slope(
    logits: torch.Tensor, targets: torch.Tensor, smoothing: float, wants_slope: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed loss and its gradient with respect to the logits, which it overwrites."""
    normalizer = logits.logsumexp(dim=1, keepdim=True)
    chosen = logits.gather(1, targets[:, None])
    loss = normalizer.sum() - (1.0 - smoothing) * chosen.sum()
    if smoothing:
        loss = loss - smoothing * logits.mean(dim=1).sum()
    if wants_slope:
        logits.sub_(normalizer).exp_()
        if smoothing:
            logits.sub_(smoothing / logits.shape[1])
        rows = torch.arange(len(targets), device=targets.device)
        logits[rows, targets] -= 1.0 - smoothing
    return loss, logits
