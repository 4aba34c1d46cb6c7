"""The file that lists keywords; read before any work is done, and without numpy."""

from __future__ import annotations

from pathlib import Path

from utils.cli.errors import UserError


def read_keywords(path: str | Path) -> tuple[str, ...]:
    """Read a list of keywords: one a line, empty lines and those that begin with # left out.

    Raises:
        UserError: The file cannot be read, is not UTF-8, or holds none.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}", "Check --keywords.") from error
    except ValueError as error:
        raise UserError(f"{path}: not UTF-8: {error}", "Save the list as UTF-8.") from error
    words = dict.fromkeys(line.strip() for line in lines)
    found = tuple(word for word in words if word and not word.startswith("#"))
    if not found:
        raise UserError(f"{path}: holds no keywords", "Write one a line, such as a name.")
    return found
