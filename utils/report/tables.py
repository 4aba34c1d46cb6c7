"""Numbers and tables as text, with characters of double width counted as two columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from utils.cli.console import printable

MINUS = "\u2212"
NOTHING = "\u2013"  # stands for a value that there is not


def display_width(text: str) -> int:
    """Return how many columns a terminal needs; Han characters take two, marks none.

    Example:
        >>> display_width("CER 字")
        6
    """
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill text with spaces up to a width in columns, on the left where `right` aligns it."""
    spaces = " " * max(width - display_width(text), 0)
    return spaces + text if right else text + spaces


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """Return a table for the terminal.

    Args:
        header: One title a column.
        rows: As many cells each.
        words: The first columns that hold words, aligned left; numbers are aligned right.
    """
    widths = [max(map(display_width, column)) for column in zip(header, *rows, strict=True)]
    rule = ["\u2500" * width for width in widths]
    lines = []
    for row in (header, rule, *rows):
        cells = enumerate(zip(row, widths, strict=True))
        lines.append("  ".join(pad(cell, w, right=i >= words) for i, (cell, w) in cells).rstrip())
    return "\n".join(lines)


_MARKUP = {ord(sign): f"&#{ord(sign)};" for sign in "\\`*_[]<>@#~&"}


def markdown_text(text: str) -> str:
    """Keep what people wrote from being taken as Markdown, HTML, a mention or a new line."""
    return " ".join(printable(text).split()).translate(_MARKUP)


def code_span(text: str) -> str:
    """Return a text as code that it cannot leave, on one line.

    Example:
        >>> code_span("a`b")
        '``a`b``'
    """
    line = " ".join(printable(text).split()) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    edge = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{edge}{line}{edge}{fence}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """Return the same table in Markdown."""
    rule = [":--" if i < words else "--:" for i in range(len(header))]
    written = [list(map(_cell, row)) for row in (header, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (written[0], rule, *written[1:]))


def _cell(text: str) -> str:
    return printable(text).replace("|", r"\|").replace("\n", " ")


def percent(rate: float | None, *, signed: bool = False) -> str:
    """Return a rate in percent with two digits: 0.0512 -> "5.12 %"."""
    if rate is None:
        return NOTHING
    number = f"{100 * rate:+.2f}" if signed else f"{100 * rate:.2f}"
    return number.replace("-", MINUS) + " %"


def percent_interval(interval: Sequence[float] | None) -> str:
    """Return an interval of rates: (0.04, 0.06) -> "4.00 to 6.00 %"."""
    if interval is None:
        return NOTHING
    low, high = (f"{100 * end:.2f}".replace("-", MINUS) for end in interval)
    return f"{low} to {high} %"


def points(difference: float | None) -> str:
    """Return a difference of two rates: -0.012 -> "−1.20 points"."""
    return percent(difference, signed=True).replace(" %", " points")
