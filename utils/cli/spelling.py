"""How a flag or a plain YAML value is spelled, and what is said when it is spelled wrongly."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError

NONE_WORDS = ("none", "null")
BOOLEAN_WORDS = {"true": True, "1": True, "false": False, "0": False}
_TYPE_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text",
    Path: "a path",
    type(None): "None",
}


@dataclasses.dataclass(frozen=True)
class Given:
    """A value as the user wrote it, and where: "--n=3" or "run.yaml, line 2: n"."""

    value: Any
    origin: str
    is_quoted: bool = False


def spell(given: Given, field_type: Any) -> Any:
    """Return the value in the spelling that jsonargparse takes.

    Args:
        given: The value as written; text to the letter if it was quoted.
        field_type: The field's resolved type, which decides what `1` or `None` mean.

    Raises:
        UserError: The value is None and the field cannot be.
    """
    value, members = given.value, members_of(field_type)
    if not isinstance(value, str):
        return value
    if not given.is_quoted and value.lower() in NONE_WORDS:
        if type(None) not in members:
            raise type_error(given, field_type)
        return None
    if Path in members:
        return Path(value)  # as text it would be read as YAML, in which `?` means something else
    if given.is_quoted:
        return value
    if bool in members and int not in members:
        return BOOLEAN_WORDS.get(value.lower(), value)
    return value


def type_error(given: Given, field_type: Any) -> UserError:
    """Say what was expected, what was found, and the nearest choice where there are choices.

    Args:
        given: The value that does not fit.
        field_type: The field's resolved type.
    """
    value = given.value if isinstance(given.value, str) else f"[{', '.join(given.value)}]"
    choices = [str(c) for m in members_of(field_type) for c in _literal_choices(m)]
    return UserError(
        f"{given.origin}: expected {_describe(field_type)}, got {value!r}",
        nearest(value, choices, ""),
    )


def members_of(field_type: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type itself."""
    if typing.get_origin(field_type) in (typing.Union, types.UnionType):
        return typing.get_args(field_type)
    return (field_type,)


def is_list(field_type: Any) -> bool:
    """Whether the field takes several values."""
    return any(typing.get_origin(member) in (list, tuple) for member in members_of(field_type))


def takes_text(field_type: Any) -> bool:
    """Whether any text at all is a value of the field."""
    return set(members_of(field_type)) <= {str, type(None)} and str in members_of(field_type)


def split_list(value: str) -> list[str] | str:
    """Return the items of `a,b` or `[a, "b"]`, or the word None as it is."""
    if value.lower() in NONE_WORDS:
        return value
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    return [item.strip().strip("\"'") for item in inner.split(",") if item.strip()]


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
        if choices := _literal_choices(member):
            words.append(f"one of {', '.join(map(str, choices))}")
        elif is_list(member):
            words.append("a list such as a,b")
        else:
            words.append(_TYPE_WORDS.get(member, str(member)))
    return " or ".join(words)


def _literal_choices(field_type: Any) -> tuple[Any, ...]:
    """Return the values of a Literal; empty for any other type."""
    return typing.get_args(field_type) if typing.get_origin(field_type) is typing.Literal else ()
