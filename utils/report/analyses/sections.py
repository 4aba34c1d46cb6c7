"""What the analyses are made of: sections with tables, as plain values that every form can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Section = dict[str, Any]
"""`title`, `about` (what it shows, in words) and `tables`."""

Table = dict[str, Any]
"""`title`, `header`, `rows` and `words`."""


def table_of(title: str, header: Sequence[str], rows: list[list[Any]], words: int = 1) -> Table:
    """Put a table together.

    Args:
        title: above it.
        header: names of the columns.
        rows: a cell for each column: text, or a dict with `text` and how it is shown.
        words: columns on the left that hold words; the others hold numbers.
    """
    return {"title": title, "header": list(header), "rows": rows, "words": words}


def section_of(title: str, about: str, tables: Sequence[Table]) -> Section | None:
    """Put a section together of the tables that have rows or a note; None if none has."""
    filled = [table for table in tables if table["rows"] or table.get("note")]
    return {"title": title, "about": about, "tables": filled} if filled else None
