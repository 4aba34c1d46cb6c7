"""Tokens drawn at a temperature, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from utils.transcription.engines.registry import Search


class Sampler:
    """Draws tokens at a temperature: for each row the same ones for the same seed.

    Args:
        search: its temperature, its seeds, and how often each row is tried.
        rows: of the batch, each attempt counted.
    """

    def __init__(self, search: Search, rows: int) -> None:
        self.temperature = search.temperature
        seeds = search.seeds or tuple(search.seed + row for row in range(rows))
        attempts = rows // len(seeds)
        # Drawn on the CPU, so that the device has no part in the numbers.
        self.random = [
            torch.Generator().manual_seed(seed + attempt)
            for seed in seeds
            for attempt in range(attempts)
        ]

    def __call__(self, logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        """Draw a token for each row.

        Args:
            logits: float `(N, V)`, finite or -inf.
            rows: of the batch, N of them; each has random numbers of its own.

        Returns:
            int64 `(N,)`, on the logits' device.
        """
        chances = (logits / self.temperature).softmax(-1)
        if chances.device.type == "mps":  # which has no float64
            chances = chances.cpu()
        # The inverse of the distribution function: torch.multinomial takes 1.6 ms a row of 51,865.
        summed = chances.cumsum(-1, dtype=torch.float64)
        points = [torch.rand(1, dtype=torch.float64, generator=self.random[row]) for row in rows]
        where = torch.stack(points).to(summed.device) * summed[:, -1:]
        # Right of equal sums, so that a token without a chance is never drawn.
        return torch.searchsorted(summed, where, right=True).squeeze(1).to(logits.device)
