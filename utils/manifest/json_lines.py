"""A text file of JSON lines (or one JSON array) -> values with their line numbers.

Lines that hold no value are told apart, never skipped: `BLANK` stands for an empty one,
`Unreadable` for one that is no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from utils.cli.errors import UserError
from utils.manifest.compressed import DAMAGED, unpacked

BLANK = object()
BOM = b"\xef\xbb\xbf"
# A line is held in memory several times over. An hour's text has a megabyte.
MOST_BYTES_A_LINE = 64 << 20
_HEAD_BYTES = 1 << 16


class Unreadable(NamedTuple):
    """Stands in for the value of a line that is no JSON."""

    error: ValueError


def json_values(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number, value) for each line; `BLANK` and `Unreadable` stand for the others."""
    with damage_told(path), open_lines(path) as lines:
        first = lines.readline(MOST_BYTES_A_LINE + 1)
        expect_text(path, first)
        head = [first.removeprefix(BOM)]
        # What comes first, an object or a list, may stand below blank lines.
        while head[-1].isspace() and len(head[-1]) <= MOST_BYTES_A_LINE:
            head.append(lines.readline(MOST_BYTES_A_LINE + 1))
        if head[-1].lstrip().startswith(b"["):
            yield from _array_values(b"".join(head) + lines.read())
            return
        for number, (line, _) in enumerate(split_lines(lines, head), start=1):
            if line:
                yield number, parse_line(line)


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Tell the user of a compressed file that cannot be unpacked."""
    try:
        yield
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the system
        raise UserError(
            f"{path}: the compressed file is damaged ({error})", "copy it or make it again"
        ) from None


def open_lines(path: Path) -> BinaryIO:
    """Open a manifest to be read, compressed or not."""
    return unpacked(str(path), open(path, "rb"))


def is_array(path: Path) -> bool:
    """Whether a file holds one JSON array, of which no line stands for itself."""
    with damage_told(path), open_lines(path) as lines:
        head = lines.read(_HEAD_BYTES).removeprefix(BOM).lstrip()
    return head.startswith(b"[")


def split_lines(file: BinaryIO, head: Iterable[bytes] = ()) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of a file, and how many bytes of the file each takes.

    Of a line of more than `MOST_BYTES_A_LINE` so many and one more are given, which `parse_line`
    knows by that; the rest is passed over. Lines end at line feeds alone; texts may hold U+2028.

    Args:
        file: at the beginning of a line.
        head: lines that come first, taken from `file` by `readline(MOST_BYTES_A_LINE + 1)`.
    """
    for line in chain(head, iter(partial(file.readline, MOST_BYTES_A_LINE + 1), b"")):
        size, end = len(line), line
        if size > MOST_BYTES_A_LINE:
            while end and not end.endswith(b"\n"):
                end = file.readline(MOST_BYTES_A_LINE)
                size += len(end)
        yield line, size


def parse_line(line: bytes) -> Any:
    """Return the value of a line; `BLANK` and `Unreadable` stand for those that hold none."""
    if len(line) > MOST_BYTES_A_LINE:
        complaint = f"the line is longer than {MOST_BYTES_A_LINE >> 20} MiB"
        return Unreadable(ValueError(complaint))
    if line.isspace():
        return BLANK
    try:
        text = line.decode("utf-8")
        value = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            _expect_whole_characters(value)
        return value
    except json.JSONDecodeError as error:
        return Unreadable(ValueError(_json_complaint(error)))
    except UnicodeDecodeError as error:
        return Unreadable(ValueError(f"byte {error.start + 1} of the line is no UTF-8"))
    except ValueError as error:
        return Unreadable(ValueError(f"no valid JSON: {error}"))
    except RecursionError:
        return Unreadable(ValueError("no valid JSON: nested too deeply"))


def _array_values(content: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the elements of a JSON array with the lines they begin in.

    After an element that is no JSON nobody can say where the next begins: it ends there.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        yield line, Unreadable(ValueError("a byte of this line is no UTF-8; nothing was read"))
        return
    may_be_halved = "\\ud" in text or "\\uD" in text
    position, counted, line = text.index("[") + 1, 0, 1
    try:
        while True:
            position = _skip_space(text, position)
            line, counted = line + text.count("\n", counted, position), position
            if text[position : position + 1] == "]":
                if text[position + 1 :].strip():
                    raise ValueError("there is more after the end of the list")
                return
            value, position = _DECODER.raw_decode(text, position)
            if may_be_halved:
                _expect_whole_characters(value)
            position = _skip_space(text, position)
            if text[position : position + 1] not in (",", "]"):
                raise json.JSONDecodeError("Expecting ',' or ']'", text, position)
            yield line, value
            position += text[position] == ","
    except RecursionError:
        yield line, Unreadable(ValueError("no valid JSON: nested too deeply"))
    except ValueError as error:
        complaint = _json_complaint(error) if isinstance(error, json.JSONDecodeError) else error
        yield line, Unreadable(ValueError(f"{complaint}; what follows was not read"))


def _skip_space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\n", "\r", "\t"):
        position += 1
    return position


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _expect_whole_characters(value: Any) -> None:
    """Refuse half of a surrogate pair, which JSON can spell but no file in UTF-8 can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(f"{half!r} is half of a character") from None


def _json_complaint(error: json.JSONDecodeError) -> str:
    around = error.doc[max(0, error.pos - 20) : error.pos + 20].strip()
    near = f", near {around!r}" if around else ""
    return f"no valid JSON: {error.msg} at column {error.colno}{near}"


def expect_text(path: Path, first: bytes) -> None:
    """Refuse what is no UTF-8 text at all, before every line of it is called broken."""
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path} is text in UTF-16", "save it as UTF-8")
    if b"\0" in first[:1000]:
        raise UserError(f"{path} is no text file", "a manifest has one JSON object a line")
