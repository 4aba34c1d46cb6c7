"""A share of the work for one of many machines: `--shard=2/8` takes the second of eight parts."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from utils.cli.errors import UserError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count`; the parts of something hold all of it, each once."""

    number: int = 1
    count: int = 1

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this part of some items: neighbours stay together, sizes differ by at most one.

        >>> [list(Shard(number, 3).of("abcdefg")) for number in (1, 2, 3)]
        [['a', 'b'], ['c', 'd'], ['e', 'f', 'g']]
        """
        first = len(items) * (self.number - 1) // self.count
        return items[first : len(items) * self.number // self.count]

    def has(self, name: str) -> bool:
        """Return whether something belongs to this part, where not all of it is known at once."""
        return zlib.crc32(name.encode("utf-8", "surrogateescape")) % self.count == self.number - 1

    @property
    def suffix(self) -> str:
        """What the names of this part's outputs have more than those of the whole: -2of8."""
        return f"-{self.number}of{self.count}" if self.count > 1 else ""

    def named(self, path: Path) -> Path:
        """Return the name of this part's output: train.json -> train-2of8.json."""
        stem, dot, ending = path.name.partition(".")
        return path.with_name(f"{stem}{self.suffix}{dot}{ending}")


WHOLE = Shard()


def parse_shard(text: str | None) -> Shard:
    """Read `--shard`.

    Args:
        text: "2/8" for the second of eight; None for everything.

    Raises:
        UserError: it is not of this form, or outside 1 to the number of parts.
    """
    if text is None:
        return WHOLE
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    if match and 1 <= int(match[1]) <= int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    raise UserError(
        f"--shard={text} is no part of a whole",
        "write 1/8 to 8/8 for eight parts (arrays that count from 0: add 1)",
    )
