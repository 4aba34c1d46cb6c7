"""How settings are spelled: lists, near misses, and what is said of a value that does not fit."""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.cli.values import (
    MOST,
    NONE_WORDS,
    Given,
    choices_of,
    is_list,
    item_type_of,
    members_of,
    read,
)

_TYPE_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "yes or no",
    str: "text",
    Path: "a path",
    type(None): "None",
}
_MOST_SHOWN = 100


def read_given(given: Given, field_type: Any) -> Any:
    """Read a value, or say what was expected, what was found, and the nearest there is.

    Args:
        given: The value as written.
        field_type: The field's resolved type.

    Raises:
        UserError: The value is none of the type's.
    """
    try:
        return read(given, field_type)
    except ValueError as error:
        raise UserError(_what_is_wrong(given, field_type), _hint(given, field_type)) from error


def _what_is_wrong(given: Given, field_type: Any) -> str:
    value = given.value if isinstance(given.value, str) else f"[{', '.join(given.value)}]"
    return f"{given.origin}: expected {_describe(field_type)}, got {_shortened(value)!r}"


def _hint(given: Given, field_type: Any) -> str:
    if not isinstance(given.value, str):
        return ""
    members = members_of(field_type)
    if int in members:
        return _whole_number_hint(given.value)
    return nearest(given.value, [str(c) for each in members for c in choices_of(each)], "")


def _whole_number_hint(value: str) -> str:
    """Spell 1e3 and 5.0 as whole numbers are spelled."""
    try:
        number = float(read(Given(value, ""), float))
    except ValueError:
        return ""
    return f"Write {int(number)}." if number.is_integer() and abs(number) < MOST else ""


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def flag_origin(name: str, value: str) -> str:
    """Return a flag as it was given, for messages: "--n=3"."""
    return f"--{name}={_shortened(value)}"


def split_list(value: str) -> list[str] | str:
    """Return the items of `a,b` or `[a, "b, c"]`, or the word None as it is."""
    if value.lower() in NONE_WORDS:
        return value
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if '"' in inner and inner.isprintable():  # only then may an item hold a comma
        items = next(csv.reader([inner], skipinitialspace=True), [])
    else:
        items = _paths_whole(inner.split(","))
    return [item.strip().strip("\"'") for item in items if item.strip()]


def _paths_whole(items: list[str]) -> list[str]:
    """Put together again what is the path of a file with commas in its name."""
    whole: list[str] = []
    while items:
        ends = range(len(items), 1, -1)
        count = next((end for end in ends if os.path.exists(",".join(items[:end]))), 1)
        whole.append(",".join(items[:count]))
        items = items[count:]
    return whole


def nearest(name: str, known: Iterable[str], prefix: str) -> str:
    """Return "Did you mean ...?" for the known name most like this one, or nothing.

    Args:
        name: What was written.
        known: What could have been meant.
        prefix: Put before the name that is suggested, such as "--".
    """
    plain = {word.lower(): word for word in known}
    wanted = name.lower().replace("-", "_")
    found = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.6) or [
        word for word in plain if wanted and (word.startswith(wanted) or word.endswith(wanted))
    ]
    return f"Did you mean {prefix}{plain[found[0]]}?" if found else ""


def _describe(field_type: Any) -> str:
    """Say in words what a field takes: "a whole number or None"."""
    words = []
    for member in members_of(field_type):
        if choices := choices_of(member):
            words.append(f"one of {', '.join(map(str, choices))}")
        elif is_list(member):
            many = {int: "whole numbers", float: "numbers"}.get(item_type_of(member))
            words.append(f"{many} separated by commas" if many else "a list such as a,b")
        elif not (member is str and is_list(field_type)):
            words.append(_TYPE_WORDS[member])
    return " or ".join(words)
