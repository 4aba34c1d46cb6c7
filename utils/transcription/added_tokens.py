"""Whisper's timestamp rules beside tokens that were added to its vocabulary."""

from __future__ import annotations

import torch
from transformers import LogitsProcessor


class AddedTokensAside(LogitsProcessor):
    """Lets the rules, which take every id from a point on for a time, see added tokens as text.

    V vocabulary, B batch, T tokens so far.

    Args:
        rule: the timestamp rules for ids in which the added tokens stand before end-of-text,
            as all text does.
        end: id of end-of-text.
        first_added: id of the first added token, after the last timestamp.
    """

    def __init__(self, rule: LogitsProcessor, end: int, first_added: int) -> None:
        self.rule = rule
        self.end = end
        self.first_added = first_added

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores float `(B, V)` after the rules; `input_ids` int64 `(B, T)`."""
        begin, added = self.end, scores.shape[1] - self.first_added
        ids = torch.where(input_ids >= begin, input_ids + added, input_ids)
        ids = torch.where(input_ids >= self.first_added, begin + input_ids - self.first_added, ids)
        text, times, new = scores.tensor_split([begin, self.first_added], dim=1)
        ruled = self.rule(ids, torch.cat([text, new, times], dim=1))
        text, new, times = ruled.tensor_split([begin, begin + added], dim=1)
        return torch.cat([text, times, new], dim=1)
