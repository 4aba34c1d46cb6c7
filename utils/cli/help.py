"""What `--help` prints: what a script does, and each setting with its type, meaning and default."""

from __future__ import annotations

import dataclasses
import inspect
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from utils.cli.values import (
    checked_types,
    choices_of,
    default_of,
    item_type_of,
    members_of,
)

WIDEST = 100  # columns; longer lines are tiring to read
NARROWEST = 40
HELP_INDENT = " " * 6

# A setting with such a name that takes text takes a path.
_PATH_ENDINGS = ("path", "_dir", "data")
_TYPE_WORDS = {
    int: "whole number",
    float: "number",
    bool: "yes/no",
    str: "text",
    Path: "path",
    type(None): "None",
}
_OWN_FLAGS = (
    ("config", "path", "YAML file with any of the settings; flags win over it."),
    ("quiet", "yes/no", "Print only errors and the final result. (default: no)"),
)
_COMMAND = "Settings of this command"
_SPELLING = "A yes/no may also be written True/False, and --name=value also --name value."


def help_text(
    settings_type: type, prog: str, description: str, everyday: Sequence[str] = ()
) -> str:
    """Return what `--help` prints.

    Args:
        settings_type: The settings dataclass, with a docstring under each field. Each class that it
            is composed of gives a section, under the first line of its docstring.
        prog: The script's name.
        description: What the script does.
        everyday: Names of the settings to show; if empty, all are shown.
    """
    fields = {field.name: field for field in dataclasses.fields(settings_type)}
    types_by_name = checked_types(settings_type)
    meanings = field_docstrings(settings_type)
    lines = [f"usage: {prog} [--name=value ...] [--config=file.yaml]", ""]
    lines += [description.strip()]
    sections = {"Everyday settings": list(everyday)} if everyday else sections_of(settings_type)
    title = _title(settings_type)
    if title in sections and description.strip().startswith(title):
        # Said above already; what a command needs comes before what all of them share.
        sections = {_COMMAND: sections.pop(title), **sections}
    for title, names in sections.items():
        lines += ["", f"{title}:"]
        for name in names:
            lines += _entry(fields[name], meanings.get(name, ""), types_by_name[name])
    lines += ["", "Of every script:"]
    for name, kind, meaning in _OWN_FLAGS:
        lines += [f"  --{name} {kind}", *_wrapped(meaning)]
    lines += ["", *textwrap.wrap(_SPELLING, _width())]
    if everyday:
        rest = len(fields) - len(everyday)
        lines += ["", f"{rest} more settings: python {prog} --help=all"]
    return "\n".join(lines)


def sections_of(settings_type: type) -> dict[str, list[str]]:
    """Return the names of the settings by the title of their section."""
    own = {field.name for field in dataclasses.fields(settings_type)}
    owners: dict[str, type] = {}
    for part in reversed(settings_type.__mro__):
        for name in inspect.get_annotations(part):
            if name in own:
                owners.setdefault(name, part)
    parts = dict.fromkeys(owners.values())
    if len(parts) == 1:
        return {"Settings": list(owners)}
    return {
        _title(part): [name for name, owner in owners.items() if owner is part] for part in parts
    }


def _title(part: type) -> str:
    return str(part.__doc__).splitlines()[0].rstrip(".")


def field_docstrings(settings_type: type) -> dict[str, str]:
    """Return what the docstring under each field says, on one line."""
    from docstring_parser import parse_from_object  # here alone: only --help needs it

    found: dict[str, str] = {}
    for part in reversed(settings_type.__mro__):
        if dataclasses.is_dataclass(part):
            for each in parse_from_object(part).params:
                found[each.arg_name] = " ".join((each.description or "").split())
    return found


def type_words(name: str, field_type: Any) -> str:
    """Return a type without Python: "{cer,wer}", "whole number or None", "text,text,..."."""
    members = members_of(field_type)
    words = [_member_words(name, member) for member in members]
    several = any(item_type_of(member) for member in members)
    # A list of one is spelled as its item is.
    kept = [
        word for word, each in zip(words, members, strict=True) if not (several and each is str)
    ]
    return " or ".join(kept)


def _member_words(name: str, member: Any) -> str:
    if choices := choices_of(member):
        return "{" + ",".join(map(str, choices)) + "}"
    if item_type := item_type_of(member):
        return f"{_member_words(name, item_type)},..."
    if member is str and name.endswith(_PATH_ENDINGS):
        return "path"
    return _TYPE_WORDS[member]


def _entry(field: dataclasses.Field[Any], meaning: str, field_type: Any) -> list[str]:
    default = default_of(field)
    said = "required" if default is dataclasses.MISSING else f"default: {_default_words(default)}"
    head = f"  --{field.name} {type_words(field.name, field_type)}"
    return [head, *_wrapped(f"{meaning} ({said})")]


def _default_words(default: Any) -> str:
    """Return a default as a flag would spell it."""
    if isinstance(default, (list, tuple)):
        return ",".join(map(str, default)) or "[]"
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, float):
        return str(default).removesuffix(".0")
    return '""' if default == "" else str(default)


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(
        text,
        _width(),
        initial_indent=HELP_INDENT,
        subsequent_indent=HELP_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _width() -> int:
    return max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))
