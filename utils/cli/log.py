"""Messages that also go to a file, with the time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from utils.cli.console import say, say_result


class Log:
    """Says what it is told, and appends it to a file.

    Args:
        path: the file; its folder is made, and what earlier runs wrote is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, text: str) -> None:
        """Say a line and write it down."""
        say(text)
        self.note(text)

    def result(self, text: str) -> None:
        """Say a line that is printed with --quiet too, and write it down."""
        say_result(text)
        self.note(text)

    def note(self, text: str) -> None:
        """Write a line down without saying it."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        with open(self.path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{now} {line}\n" for line in text.splitlines())
