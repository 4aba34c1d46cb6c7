"""A text file of JSON lines (or one JSON array) -> values with their line numbers.

Lines that hold no value are told apart, never skipped: `BLANK` stands for an empty one,
`Unreadable` for one that is no JSON.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast

from utils.cli.errors import UserError

BLANK = object()
BOM = b"\xef\xbb\xbf"
_HEAD_BYTES = 1 << 16


class Unreadable(NamedTuple):
    """Stands in for the value of a line that is no JSON."""

    error: ValueError


def json_values(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number, value) for each line; `BLANK` and `Unreadable` stand for the others."""
    try:
        with open_lines(path) as lines:
            first = lines.readline()
            expect_text(path, first)
            head = [first.removeprefix(BOM)]
            # What comes first, an object or a list, may stand below blank lines.
            while head[-1].isspace():
                head.append(lines.readline())
            if head[-1].lstrip().startswith(b"["):
                yield from _array_values(b"".join(head) + lines.read())
            else:
                yield from _line_values(chain(head, lines))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> UserError:
    """Return the error for a compressed file that cannot be unpacked."""
    return UserError(
        f"{path}: the compressed file is damaged ({error})", "copy it or make it again"
    )


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, as its content says, not its name."""
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def open_lines(path: Path) -> BinaryIO:
    """Open a manifest to be read, compressed or not."""
    return cast(BinaryIO, gzip.open(path, "rb")) if is_compressed(path) else open(path, "rb")


def is_array(path: Path) -> bool:
    """Whether a file holds one JSON array, of which no line stands for itself."""
    try:
        with open_lines(path) as lines:
            head = lines.read(_HEAD_BYTES).removeprefix(BOM).lstrip()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, error) from None
    return head.startswith(b"[")


def _line_values(lines: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    # Iterating over bytes splits at "\n" alone; text lines may also hold U+2028 and the like.
    for number, line in enumerate(lines, start=1):
        if line:
            yield number, parse_line(line)


def parse_line(line: bytes) -> Any:
    """Return the value of a line; `BLANK` and `Unreadable` stand for those that hold none."""
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
