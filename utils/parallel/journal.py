"""What was done already, on disk: each fact is a line, written as soon as it is known.

A run that is killed loses at most the line that it was writing, and the next run asks here before
it does anything twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.cli.files import atomic_write, naming


class Journal:
    """Answers by key; both are plain JSON values.

    Args:
        path: the file; its folder is made.
        fresh: forget what the file holds.

    Raises:
        UserError: a line of the file is damaged.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.path = path
        self._known: dict[str, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            path.unlink(missing_ok=True)
        elif path.exists():
            self._read()

    def __contains__(self, key: Any) -> bool:
        return _spelled(key) in self._known

    def __getitem__(self, key: Any) -> Any:
        return self._known[_spelled(key)]

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Yield every key with its answer, in the order in which they became known."""
        for key, value in self._known.items():
            yield json.loads(key), value

    def add(self, key: Any, value: Any) -> None:
        """Remember an answer; it is in the file when this returns."""
        with naming(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps([key, value], ensure_ascii=False) + "\n")
        self._known[_spelled(key)] = value

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:  # a kill cut the last line in two
            with atomic_write(self.path, "wb") as file:
                file.write(whole)
        # Bytes are split at line ends alone; text would be at U+2028 and the like too.
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                key, value = json.loads(line)
            except (ValueError, TypeError, RecursionError) as error:
                raise UserError(
                    f"{self.path}, line {number}: expected a key and its answer, [key, answer]",
                    "Delete the file, or the line, to have the work done again.",
                ) from error
            self._known[_spelled(key)] = value


def _spelled(key: Any) -> str:
    return json.dumps(key, ensure_ascii=False)
