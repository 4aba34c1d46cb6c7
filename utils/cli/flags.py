"""Settings dataclasses, and the ways to fill them: default < `--config=file.yaml` < flag.

A script describes its settings as a frozen dataclass whose fields each carry a docstring;
jsonargparse makes the flags, their help and their type checks out of it. Flags and plain YAML
values are spelled alike: `True`/`False`/`true`/`false`/`1`/`0`, `None` for none, `a,b` or
`[a, b]` for a list. A value quoted in YAML is taken as text to the letter.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from argparse import ArgumentError, RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter, set_parsing_settings

from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.spelling import (
    BOOLEAN_WORDS,
    NONE_WORDS,
    Given,
    is_list,
    nearest,
    spell,
    split_list,
    takes_text,
    type_error,
)

SettingsT = TypeVar("SettingsT")

# jsonargparse speaks JSON in its help; our users write Python's words.
_HELP_WORDS = (
    (r", --\w+\+ (\[ITEM,\.\.\.\]|[A-Z_]+)", ""),
    (r"\{true,false(,null)?\}", lambda m: "{True,False,None}" if m[1] else "{True,False}"),
    (r"(\||default:)(\s+)null\b", r"\1\2None"),
)


class _HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """Shows types and defaults, and leaves a script's example commands on their own lines."""


def parse_settings(
    settings_type: type[SettingsT],
    argv: Sequence[str] | None,
    *,
    prog: str,
    description: str,
) -> SettingsT:
    """Fill a settings dataclass from its defaults, `--config` files and flags.

    Args:
        settings_type: A frozen dataclass with a docstring under each field. Its
            `__post_init__` may raise `UserError` for values that cannot go together.
        argv: The arguments; None means those of the command line.
        prog: The script's name, as `--help` shows it.
        description: What the script does, as `--help` shows it; usually its docstring.

    Returns:
        The settings.

    Raises:
        UserError: An unknown flag or key, a value of the wrong type, an unreadable config file,
            or a combination that the settings refuse.
        SystemExit: After `--help` was printed.
    """
    parser = _build_parser(settings_type, prog, description)
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "-h" in arguments or "--help" in arguments:
        print(_help_text(parser))
        raise SystemExit(0)
    types_by_name = typing.get_type_hints(settings_type)
    flags, config_paths = _read_flags(arguments, types_by_name, prog)
    given: dict[str, Given] = {}
    for config_path in config_paths:
        given.update(_read_config(config_path, types_by_name))
    given.update(flags)
    _check_required(settings_type, given, prog)
    values = _check_types(parser, given, types_by_name)
    try:
        return settings_type(**values)
    except ValueError as error:
        raise UserError(str(error), f"See python {prog} --help.") from error


def save_settings(settings: Any, path: Path) -> None:
    """Write settings as YAML that is itself a valid `--config`.

    Args:
        settings: An instance of a settings dataclass.
        path: The file to write, whole or not at all.
    """
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    with atomic_write(path) as handle:
        handle.write(f"# Use these settings again with --config={path}\n")
        # A line per value: no wrapping of long text.
        yaml.dump(
            values, handle, _SettingsDumper, sort_keys=False, allow_unicode=True, width=sys.maxsize
        )


def load_settings_dict(path: Path) -> dict[str, Any]:
    """Read a `settings.yaml` as plain values.

    Args:
        path: A file that `save_settings` wrote.

    Returns:
        The value of each setting: text, number, boolean, list or None.

    Raises:
        UserError: The file is missing, is not YAML, or holds something other than settings.
    """
    _compose(path)  # says what is wrong with the file, where something is
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def _build_parser(settings_type: type, prog: str, description: str) -> ArgumentParser:
    """Make the parser that knows every field's type, default and help."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(
        prog=prog,
        description=description.strip(),
        exit_on_error=False,
        formatter_class=_HelpFormatter,
        usage="%(prog)s [--name=value ...] [--config=file.yaml]",
    )
    parser.add_argument("--config", help="YAML file with any of the settings below; flags win.")
    parser.add_class_arguments(settings_type)
    _sort_into_sections(parser, settings_type)
    return parser


def _sort_into_sections(parser: ArgumentParser, settings_type: type) -> None:
    """Give the fields that a settings class inherits a section of the help for each parent."""
    parts = [part for part in reversed(settings_type.__mro__) if part.__dict__.get("__doc__")]
    owners: dict[str, type] = {}
    for part in parts:
        for name in inspect.get_annotations(part):
            owners.setdefault(name, part)
    if len(set(owners.values())) < 2:
        return
    actions = {action.dest: action for group in parser._action_groups for action in _of(group)}
    for group in parser._action_groups:
        group._group_actions[:] = [each for each in _of(group) if each.dest not in owners]
    for part in dict.fromkeys(owners.values()):
        section = parser.add_argument_group(str(part.__doc__).splitlines()[0].rstrip("."))
        names = (name for name, owner in owners.items() if owner is part)
        section._group_actions.extend(actions[name] for name in names)


def _of(group: Any) -> list[Any]:
    return list(group._group_actions)


def _help_text(parser: ArgumentParser) -> str:
    """Return the help with booleans and None spelled the way the flags take them."""
    text = parser.format_help()
    for pattern, replacement in _HELP_WORDS:
        text = re.sub(pattern, replacement, text)
    return text.rstrip()


def _read_flags(
    arguments: list[str], types_by_name: Mapping[str, Any], prog: str
) -> tuple[dict[str, Given], list[str]]:
    """Split the arguments into settings and the paths given with `--config`.

    The last of several equal flags counts; those of a list are put one after another.
    """
    flags: dict[str, Given] = {}
    config_paths: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if not argument.startswith("--"):
            hint = f"Settings are given as --name=value; python {prog} --help lists them."
            raise UserError(f"unexpected argument {argument!r}", hint)
        name, has_value, value = argument[2:].partition("=")
        if name != "config" and name not in types_by_name:
            hint = nearest(name, [*types_by_name, "config"], "--")
            raise UserError(
                f"unknown flag --{name}", hint or f"python {prog} --help lists all flags."
            )
        if not has_value:
            value = _following_value(name, remaining)
        if name == "config":
            config_paths.append(value)
            continue
        earlier = flags[name].value if name in flags else None
        read = split_list(value) if is_list(types_by_name[name]) else value
        if isinstance(read, list) and isinstance(earlier, list):
            read = [*earlier, *read]
        flags[name] = Given(read, f"--{name}={value}")
    return flags, config_paths


def _following_value(name: str, remaining: Iterator[str]) -> str:
    """Return the argument after `--name`, which stands there without "="."""
    value = next(remaining, None)
    if value is None or value.startswith("--"):
        raise UserError(f"--{name} needs a value", f"Write --{name}=value.")
    return value


def _read_config(path: str, types_by_name: Mapping[str, Any]) -> dict[str, Given]:
    """Read a YAML file of settings, keeping every plain value as it is written there."""
    given: dict[str, Given] = {}
    for key_node, value_node in _compose(Path(path).expanduser()):
        name, place = key_node.value, f"{path}, line {key_node.start_mark.line + 1}"
        if name not in types_by_name:
            hint = nearest(name, types_by_name, "")
            raise UserError(
                f"{place}: unknown key {name!r}", hint or f"Known: {', '.join(types_by_name)}."
            )
        if name in given:
            raise UserError(f"{place}: {name!r} is given twice", "Keep one of the two lines.")
        value = _node_value(value_node, place)
        is_quoted = isinstance(value_node, yaml.ScalarNode) and value_node.style is not None
        if is_list(types_by_name[name]) and isinstance(value, str) and not is_quoted:
            value = split_list(value)
        given[name] = Given(value, f"{place}: {name}", is_quoted)
    return given


def _compose(path: Path) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return the key and value nodes of a YAML file that holds one mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"config file not found: {path}", "Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"config file {path} cannot be read: {error}") from error
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        hint = "Write one `name: value` a line, and quote text that holds : or #."
        raise UserError(f"{path}{place}: not valid YAML: {problem}", hint) from error
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
    if isinstance(node, yaml.SequenceNode):
        items = [_node_value(item, place) for item in node.value]
        if all(isinstance(item, str) for item in items):
            return typing.cast("list[str]", items)
    raise UserError(f"{place}: expected a single value or a plain list")


def _check_required(settings_type: type, given: Mapping[str, Given], prog: str) -> None:
    """Raise for the fields without a default that nobody gave."""
    missing = [
        f"--{field.name}"
        for field in dataclasses.fields(settings_type)
        if field.name not in given
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UserError(
            f"missing: {', '.join(missing)}", f"python {prog} --help says what it is for."
        )


def _check_types(
    parser: ArgumentParser, given: Mapping[str, Given], types_by_name: Mapping[str, Any]
) -> dict[str, Any]:
    """Return each given value in its field's type, or raise naming where it was given."""
    spelled = {name: spell(given[name], types_by_name[name]) for name in given}
    try:
        parsed = parser.parse_object(spelled)
    except ArgumentError as error:
        key = re.search(r'Parser key "(\w+)"', str(error))
        if key is None or key[1] not in given:
            raise UserError(str(error)) from error
        raise type_error(given[key[1]], types_by_name[key[1]]) from error
    # Text needs no conversion, and jsonargparse would read some of it ("null") as a value.
    return {
        name: value if isinstance(value, str) and takes_text(types_by_name[name]) else parsed[name]
        for name, value in spelled.items()
    }


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
