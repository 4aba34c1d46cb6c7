"""Fields of JSON objects that people write: read one at a time, refused in a sentence.

`type(x) is` instead of isinstance: JSON has no subclasses, but bool is one of int, and true is no
number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# Shared by all values without unknown fields: a million empty dicts would cost 64 MB.
NOTHING: Mapping[str, Any] = {}


def nothing() -> Mapping[str, Any]:
    """Return the shared empty mapping: the default of a frozen dataclass's `extra`."""
    return NOTHING


def seconds_field(holder: dict[str, Any], name: str, prefix: str = "") -> float | None:
    """Read a time in seconds, 0 or more; None where there is none.

    Raises:
        ValueError: it is no number, or below 0, or not finite.
    """
    value = holder.get(name)
    if value is None:
        return None
    if type(value) is not float and type(value) is not int:
        raise ValueError(f'"{prefix}{name}" is {shown(value)}; expected seconds')
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not 0.0 <= seconds < math.inf:
        raise ValueError(f'"{prefix}{name}" is {seconds:g}; expected seconds of 0 or more')
    return seconds


def name_field(line: dict[str, Any], name: str) -> str | None:
    """Read an id or a speaker: text, or a whole number, which many tables hold."""
    value = line.get(name)
    if value is None:
        return None
    if type(value) is int:
        return str(value)
    if type(value) is not str or not value:
        raise ValueError(f'"{name}" is {shown(value)}; expected text')
    return value


def text_field(line: dict[str, Any], name: str) -> str | None:
    """Read a field of text, which may be empty; None where there is none."""
    value = line.get(name)
    if value is not None and type(value) is not str:
        raise ValueError(f'"{name}" is {shown(value)}; expected text')
    return value


def unknown_fields(holder: dict[str, Any], known: frozenset[str]) -> Mapping[str, Any]:
    """Return the fields that are not among the known ones, to be kept as they are."""
    if known.issuperset(holder):
        return NOTHING
    return {name: value for name, value in holder.items() if name not in known}


def field_names(holder: dict[str, Any]) -> str:
    """Name the first fields of an object, for an error."""
    return ", ".join(f'"{name}"' for name in list(holder)[:8]) or "no fields"


def shown(value: Any) -> str:
    """Show a JSON value in an error: its kind, and as much of it as helps."""
    if value is None:
        return "missing or null"
    kind = {dict: "an object", list: "a list", bool: "true/false", str: "the text"}.get(type(value))
    if kind in ("an object", "a list"):
        return kind
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{kind} {shown}" if kind else f"the number {shown}"
