"""Settings as YAML: read from `--config` files, and written so that they can be read again.

Flags and plain YAML values are spelled alike; a value quoted in YAML is taken to the letter.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import yaml

from utils.cli.data_files import compose_yaml
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.spelling import nearest, split_list
from utils.cli.values import BOOLEAN_WORDS, NONE_WORDS, Given, is_list


def read_config(path: str, types_by_name: Mapping[str, Any]) -> dict[str, Given]:
    """Read a YAML file of settings, keeping every plain value as it is written there.

    Args:
        path: The file.
        types_by_name: The type of each setting.

    Raises:
        UserError: The file cannot be read, is no mapping, or has an unknown or a repeated key.
    """
    given: dict[str, Given] = {}
    for key_node, value_node in _compose(Path(path).expanduser()):
        place = f"{path}, line {key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise UserError(f"{place}: expected the name of a setting", "Write `name: value`.")
        name = key_node.value
        if name not in types_by_name:
            hint = nearest(name, types_by_name, "")
            raise UserError(
                f"{place}: unknown key {name!r}", hint or f"Known: {', '.join(types_by_name)}."
            )
        if name in given:
            raise UserError(f"{place}: {name!r} is given twice", "Keep one of the two lines.")
        read = _given(value_node, types_by_name[name], f"{place}: {name}")
        given[name] = read if "output" in name else _beside(read, Path(path).expanduser().parent)
    return given


def _beside(given: Given, folder: Path) -> Given:
    """Take a path that is not there relative to the current folder relative to the file's folder.

    Settings that a run wrote, and those in configs/, are relative to where they are used; a file
    that travels with its data names what lies beside it.
    """

    def found(text: str) -> str:
        is_path = "/" in text or PurePath(text).suffix != ""
        if not is_path or text.startswith("/") or os.path.exists(text):
            return text
        return str(folder / text) if os.path.exists(folder / text) else text

    value = given.value
    value = found(value) if isinstance(value, str) else [found(each) for each in value]
    return dataclasses.replace(given, value=value)


def _given(node: yaml.Node, field_type: Any, place: str) -> Given:
    value = _node_value(node, place)
    is_quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
    if is_list(field_type) and isinstance(value, str):
        value = [value] if is_quoted else split_list(value)
    return Given(value, place, is_quoted)


def _compose(path: Path) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return the key and value nodes of a YAML file that holds one mapping."""
    try:
        root = compose_yaml(
            path, "Write one `name: value` a line, and quote text that holds : or #."
        )
    except FileNotFoundError as error:
        raise UserError(f"config file not found: {path}", "Check the path.") from error
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{path}: expected `name: value` lines", "See configs/ for examples.")
    return list(root.value)


def _node_value(node: yaml.Node, place: str) -> str | list[str]:
    """Return a scalar's text or a list of texts, without YAML's own guesses at types.

    `language: no` is Norwegian here, and `learning_rate: 1e-4` a number: both as on the command
    line, where YAML 1.1 would see False and a text.
    """
    if isinstance(node, yaml.ScalarNode):
        is_yaml_none = node.style is None and node.value in ("", "~")
        return "None" if is_yaml_none else str(node.value)
    items = node.value if isinstance(node, yaml.SequenceNode) else None
    if items is not None and all(isinstance(item, yaml.ScalarNode) for item in items):
        return [str(item.value) for item in items]
    raise UserError(f"{place}: expected a single value or a plain list")


def save_settings(settings: Any, path: Path) -> None:
    """Write settings as YAML that is itself a valid `--config`.

    Args:
        settings: An instance of a settings dataclass.
        path: The file to write, whole or not at all.
    """
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    with atomic_write(path) as handle:
        shown = "".join(each if each.isprintable() else "?" for each in str(path))
        handle.write(f"# Use these settings again with --config={shown}\n")
        # A line per value: no wrapping of long text.
        yaml.dump(
            values, handle, _SettingsDumper, sort_keys=False, allow_unicode=True, width=sys.maxsize
        )


class _SettingsDumper(yaml.SafeDumper):
    """Writes paths as text, tuples as lists, and quotes text that a flag would read otherwise."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Quote words such as None, which unquoted mean the value, and escape odd line breaks."""
    is_value = text.lower() in (*NONE_WORDS, *BOOLEAN_WORDS, "", "~")
    style = '"' if is_value or not text.isprintable() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_tuple(dumper: yaml.SafeDumper, values: tuple[Any, ...]) -> yaml.Node:
    """Write a tuple as a list, on one line."""
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


def _represent_path(dumper: yaml.SafeDumper, path: PurePath) -> yaml.Node:
    """Write a path as its text."""
    return _represent_text(dumper, str(path))


_SettingsDumper.add_representer(str, _represent_text)
_SettingsDumper.add_representer(tuple, _represent_tuple)
_SettingsDumper.add_multi_representer(PurePath, _represent_path)
