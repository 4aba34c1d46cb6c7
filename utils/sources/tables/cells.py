"""The cells of a table: csv in any of its dialects, or a sheet of an xlsx file."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.manifest.compressed import expect_honest_zip
from utils.sources.files import csv_rows, read_text

Row = tuple[int, list[str]]
"""The number of a row's line (its last where it has several), and its cells."""

WORKBOOKS = (".xlsx", ".xlsm")


def text_rows(path: Path, delimiter: str | None, encoding: str | None) -> list[Row]:
    """Read the rows of a csv or tsv file that hold anything.

    Raises:
        UserError: it is no such file, or in another encoding.
    """
    text = read_text(path, encoding)
    delimiter = delimiter or likely_delimiter(path, text)
    if len(delimiter) != 1:
        raise UserError(f"--delimiter={delimiter} is not one character", "such as , or ;")
    is_quoted = delimiter not in "\t|" or _is_quoted(path, text, delimiter)
    quoting = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
    form: dict[str, Any] = {"delimiter": delimiter, "quoting": quoting}
    if is_quoted and _is_escaped(text, delimiter):
        form |= {"escapechar": "\\", "doublequote": False}
    rows = csv_rows(path, text, **form)
    return [(number, row) for number, row in rows if any(cell.strip() for cell in row)]


def likely_delimiter(path: Path, text: str) -> str:
    """Return what stands between columns: a tab in .tsv, else what the first lines have alike."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    lines = [line for line in text.split("\n", 30)[:30] if line.strip()]

    def likely(mark: str) -> tuple[int, int, bool]:
        counts = [line.count(mark) for line in lines]
        usual = max(set(counts), key=counts.count, default=0)
        alike = counts.count(usual) if usual else 0
        # A title or a text has commas of its own; the header names the columns.
        return alike, counts[0] if counts else 0, mark == ","

    return max("\t|;,", key=likely)


def _is_escaped(text: str, delimiter: str) -> bool:
    r"""Whether quotation marks within quoted cells stand as `\"`, as Spark and MySQL write them."""
    mark = re.escape(delimiter)
    return '""' not in text and re.search(rf'\\"(?!{mark}|\n|\Z)', text) is not None


def _is_quoted(path: Path, text: str, delimiter: str) -> bool:
    """Whether quotation marks of a tab-separated table are quoting, as pandas does it, or text.

    Common Voice and LJSpeech quote nothing. A writer that quotes does so where a cell holds a
    quotation mark (then doubled), a delimiter or a line break, or everywhere, in the header too.
    """
    mark = re.escape(delimiter)
    opened = len(re.findall(rf'(?:^|{mark}|\n)"', text))
    if not opened:
        return False
    quoted = re.findall(rf'(?:^|{mark}|\n)"((?:[^"]|"")*)"(?={mark}|\n|\Z)', text)
    if len(quoted) != opened:
        return False  # some begin with a quotation mark that nothing closes
    if text.lstrip("\ufeff").startswith('"') or any('""' in cell for cell in quoted):
        return True
    plain = [line.count(delimiter) for line in text.split("\n") if line.strip()]
    is_even = len(set(plain)) == 1
    return not is_even and any("\n" in cell or delimiter in cell for cell in quoted)


def xlsx_rows(path: Path, sheet: str | None) -> list[Row]:
    """Read the rows of a sheet that hold anything.

    Args:
        path: the workbook.
        sheet: its name or its number from 1; None is the first.

    Raises:
        UserError: it is no workbook, or has no such sheet.
    """
    try:
        import openpyxl
    except ImportError:
        raise UserError(
            f"{path} needs openpyxl to be read", "pip install openpyxl, or save it as csv"
        ) from None
    from zipfile import BadZipFile

    try:
        expect_honest_zip(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        raise UserError(f"{path} is no xlsx file: {error}", "save it again, or as csv") from None
    try:
        chosen = book.worksheets[_sheet_number(path, book.sheetnames, sheet)]
        rows = [
            (number, ["" if cell is None else str(cell) for cell in row])
            for number, row in enumerate(chosen.iter_rows(values_only=True), start=1)
        ]
    finally:
        book.close()
    return [(number, row) for number, row in rows if any(cell.strip() for cell in row)]


def _sheet_number(path: Path, names: Sequence[str], sheet: str | None) -> int:
    if sheet is None:
        return 0
    if sheet in names:
        return list(names).index(sheet)
    if sheet.isdigit() and 1 <= int(sheet) <= len(names):
        return int(sheet) - 1
    raise UserError(
        f"{path} has no sheet {sheet!r}; it has {', '.join(map(repr, names))}",
        "choose one by its name or number with --sheet",
    )
