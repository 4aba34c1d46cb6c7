"""The types that a setting can have, and the one way to read each.

Ours rather than a library's: a general one guesses (0x10, 12:30 and 1_000 were whole numbers for
it), and where it could not resolve a type it took any value without a word. Here a type that is not
one of these ends the program when its parser is built.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from pathlib import Path
from typing import Any

SCALARS = (str, int, float, bool, Path)
NONE_WORDS = ("none", "null")
BOOLEAN_WORDS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
MOST = 2**63  # whole numbers of 64 bits: what tensors, tables and random generators hold

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MOST_DIGITS = 20


@dataclasses.dataclass(frozen=True)
class Given:
    """A value as the user wrote it, and where: "--n=3" or "run.yaml, line 2: n"."""

    value: str | list[str]
    origin: str
    is_quoted: bool = False


def checked_types(settings_type: type) -> dict[str, Any]:
    """Return the type of each field, or refuse those that could not be read from a flag.

    Args:
        settings_type: A dataclass.

    Raises:
        TypeError: A field's type is none of those this module reads, or its default is no value of
            it: a mistake in the program.
        NameError: A type names something that its module does not hold when it runs.
    """
    hints = typing.get_type_hints(settings_type)
    found = {}
    for field in dataclasses.fields(settings_type):
        hint, place = hints[field.name], f"{settings_type.__name__}.{field.name}"
        for member in members_of(hint):
            if not _is_known(member):
                raise TypeError(f"{place}: a flag cannot be read as {member!r}")
        default = default_of(field)
        if default is not dataclasses.MISSING and not fits(default, hint):
            raise TypeError(f"{place}: the default {default!r} is no {hint!r}")
        found[field.name] = hint
    return found


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return a field's default; `dataclasses.MISSING` if it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def fits(value: Any, field_type: Any) -> bool:
    """Whether a value is one of a type's; a whole number is a number too, a boolean is neither."""
    return any(_fits(value, member) for member in members_of(field_type))


def read(given: Given, field_type: Any) -> Any:
    """Read what a person wrote as a value of a field's type.

    Args:
        given: Text, or a list of texts where the field takes several.
        field_type: A type that `checked_types` passed.

    Raises:
        ValueError: It is no value of the type.
    """
    members, value = members_of(field_type), given.value
    if isinstance(value, list):
        for member in members:
            if item_type := item_type_of(member):
                items = [_read_text(item, (item_type,), True) for item in value]
                return tuple(items) if typing.get_origin(member) is tuple else items
        raise ValueError("a single value is expected")
    return _read_text(value, members, given.is_quoted)


def _read_text(text: str, members: tuple[Any, ...], is_quoted: bool) -> Any:
    """Read a single value: the narrowest type that has the text wins, text itself comes last."""
    if not is_quoted and text.lower() in NONE_WORDS:
        if type(None) in members:
            return None
        raise ValueError("None is no value here")
    for read_as in (_choice, _boolean, _whole_number, _number):
        value = read_as(text, members)
        if value is not None:
            return value
    if "\0" in text:
        raise ValueError("no text holds the character 0")
    if Path in members:
        return Path(text)
    if str in members:
        return text
    raise ValueError("none of the types takes it")


def _choice(text: str, members: tuple[Any, ...]) -> Any:
    choices = [choice for member in members for choice in choices_of(member)]
    return next((choice for choice in choices if str(choice) == text), None)


def _boolean(text: str, members: tuple[Any, ...]) -> bool | None:
    return BOOLEAN_WORDS.get(text.lower()) if bool in members else None


def _whole_number(text: str, members: tuple[Any, ...]) -> int | None:
    # Python itself would also take ' 5', '1_000' and digits of other scripts.
    if int not in members or not _WHOLE_NUMBER.fullmatch(text) or len(text) > _MOST_DIGITS:
        return None
    return int(text) if -MOST <= int(text) < MOST else None


def _number(text: str, members: tuple[Any, ...]) -> float | None:
    if float not in members or not _NUMBER.fullmatch(text):
        return None
    return float(text) if math.isfinite(float(text)) else None


def members_of(field_type: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type itself."""
    if typing.get_origin(field_type) in (typing.Union, types.UnionType):
        return typing.get_args(field_type)
    return (field_type,)


def item_type_of(member: Any) -> Any:
    """Return the type of a list's or a tuple's items; None for what holds no items."""
    arguments = typing.get_args(member)
    if typing.get_origin(member) is list and len(arguments) == 1:
        return arguments[0]
    if typing.get_origin(member) is tuple and len(arguments) == 2 and arguments[1] is ...:
        return arguments[0]
    return None


def is_list(field_type: Any) -> bool:
    """Whether the field takes several values."""
    return any(item_type_of(member) is not None for member in members_of(field_type))


def choices_of(member: Any) -> tuple[Any, ...]:
    """Return the values of a Literal; empty for any other type."""
    return typing.get_args(member) if typing.get_origin(member) is typing.Literal else ()


def _is_known(member: Any) -> bool:
    if choices := choices_of(member):
        return all(type(choice) is str for choice in choices)
    return member in (*SCALARS, type(None)) or item_type_of(member) in SCALARS


def _fits(value: Any, member: Any) -> bool:
    if choices := choices_of(member):
        return value in choices
    if (item_type := item_type_of(member)) is not None:
        return type(value) is typing.get_origin(member) and all(fits(v, item_type) for v in value)
    if member is float:
        return type(value) in (int, float)
    return isinstance(value, Path) if member is Path else type(value) is member
