"""A compact vocabulary for training, and the theorem that the full one says the same.

Most of Whisper's 51,865 rows are never used here. Training them would waste its time, so the model
is trained with the U used text ids, ONE row for all N unused ones, and the special tokens. If all
unused rows are equal to a vector u, their part of the full softmax's sum is

    N * exp(h . u) = exp(h . u + log N),

so adding log N to that one row's logit in training makes the compact softmax equal the full one,
and expanding the model means copying the row N times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from demo.make.tokenizer import TEXT_IDS, VOCABULARY_SIZE


@dataclass(frozen=True)
class CompactVocabulary:
    """Maps full token ids to compact ones: used text, the unused row, special tokens.

    Attributes:
        used: how many text ids are used; they are the first ones.
    """

    used: int

    @property
    def unused(self) -> int:
        """How many text ids are not used."""
        return TEXT_IDS - self.used

    @property
    def size(self) -> int:
        """Number of compact ids."""
        return self.used + 1 + VOCABULARY_SIZE - TEXT_IDS

    def compact_id(self, token: int) -> int:
        """Return the compact id of a full one; all unused ones share one."""
        if token >= TEXT_IDS:
            return token - TEXT_IDS + self.used + 1
        return min(token, self.used)

    def full_id(self, token: int) -> int:
        """Return a full id of a compact one; for the unused row, the first unused id."""
        return token if token <= self.used else token - self.used - 1 + TEXT_IDS

    def logit_offset(self) -> torch.Tensor:
        """Return what is added to the logits in training: float32 `(size,)`."""
        offset = torch.zeros(self.size)
        offset[self.used] = math.log(self.unused)
        return offset

    def expand(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the full embedding `(51865, D)` of a compact one `(size, D)`."""
        unused = rows[self.used : self.used + 1].expand(self.unused, -1)
        return torch.cat([rows[: self.used], unused, rows[self.used + 1 :]])
