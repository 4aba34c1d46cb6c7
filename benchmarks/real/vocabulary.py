"""The few tokens in use, one row for all others, and the way back to the whole vocabulary.

The theorem of `demo/make/compact.py`, for any set of used ids: if all N unused rows are equal,
one row with log N added to its logit stands for them, and expanding the model copies that row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch


@dataclass(frozen=True)
class UsedVocabulary:
    """Maps full token ids to compact ones: the used ids in order, then one for all others.

    Attributes:
        used: full ids in use, ascending.
        full_size: ids of the whole vocabulary.
    """

    used: tuple[int, ...]
    full_size: int

    @classmethod
    def of(cls, tokens: Iterable[int], full_size: int) -> UsedVocabulary:
        """Return the vocabulary of the tokens that occur in `tokens`."""
        return cls(tuple(sorted(set(tokens))), full_size)

    @property
    def size(self) -> int:
        """Number of compact ids."""
        return len(self.used) + 1

    @cached_property
    def _places(self) -> dict[int, int]:
        return {token: place for place, token in enumerate(self.used)}

    def compact_id(self, token: int) -> int:
        """Return the compact id of a full one; all unused ones share the last."""
        return self._places.get(token, len(self.used))

    def full_id(self, token: int) -> int:
        """Return the full id of a used compact one.

        Raises:
            IndexError: it is the unused row's, which stands for many.
        """
        return self.used[token]

    def logit_offset(self) -> torch.Tensor:
        """Return what is added to the logits in training: float32 `(size,)`."""
        offset = torch.zeros(self.size)
        offset[-1] = math.log(self.full_size - len(self.used))
        return offset

    def expand(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the full embedding `(full_size, D)` of a compact one `(size, D)`."""
        full = rows[-1:].repeat(self.full_size, 1)
        full[list(self.used)] = rows[:-1]
        return full
