"""Settings dataclasses, and the ways to fill them: default < `--config=file.yaml` < flag.

A script describes its settings as a frozen dataclass whose fields each carry a docstring; the
flags, their help and their type checks follow from it. `True`/`yes`/`on`/`1` and their opposites
are booleans in any case of letters, `None` is none, `a,b` or `[a, b]` a list.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from utils.cli.config import read_config
from utils.cli.console import be_quiet
from utils.cli.errors import UserError
from utils.cli.help import help_text
from utils.cli.spelling import flag_origin, nearest, read_given, split_list
from utils.cli.values import Given, checked_types, is_list, members_of

SettingsT = TypeVar("SettingsT")

# Flags of every script, which are no setting of what it does.
_OWN_TYPES: dict[str, Any] = {"config": str, "quiet": bool}


def parse_settings(
    settings_type: type[SettingsT],
    argv: Sequence[str] | None,
    *,
    prog: str,
    description: str,
    everyday: Sequence[str] = (),
) -> SettingsT:
    """Fill a settings dataclass from its defaults, `--config` files and flags.

    Args:
        settings_type: A frozen dataclass with a docstring under each field. Its
            `__post_init__` may raise `UserError` for values that cannot go together.
        argv: The arguments; None means those of the command line.
        prog: The script's name, as `--help` shows it.
        description: What the script does, as `--help` shows it; usually its docstring.
        everyday: Names of the settings that `--help` shows; the others need `--help=all`.

    Returns:
        The settings.

    Raises:
        UserError: An unknown flag or key, a value of the wrong type, an unreadable config file,
            or a combination that the settings refuse.
        TypeError: A field's type cannot be read from a flag: a mistake in the program.
        SystemExit: After `--help` was printed.
    """
    types_by_name = checked_types(settings_type)
    arguments = list(sys.argv[1:] if argv is None else argv)
    if wanted := [each for each in arguments if _is_help(each)]:
        shown = () if "--help=all" in wanted else everyday
        print(help_text(settings_type, prog, description, shown))
        raise SystemExit(0)
    known = {**types_by_name, **_OWN_TYPES}
    flags, config_paths = _read_flags(arguments, known, prog)
    given: dict[str, Given] = {}
    for config_path in config_paths:
        given.update(read_config(config_path, {**types_by_name, "quiet": bool}))
    given.update(flags)
    if (quiet := given.pop("quiet", None)) and read_given(quiet, bool):
        be_quiet()
    values = {name: read_given(value, types_by_name[name]) for name, value in given.items()}
    _check_required(settings_type, given, prog)
    try:
        return settings_type(**values)
    except ValueError as error:
        raise UserError(str(error), f"See python {prog} --help.") from error


def _is_help(argument: str) -> bool:
    return argument in ("-h", "--help", "--help=all")


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
        name, value = _name_and_value(argument, remaining, types_by_name, prog)
        if name == "config":
            config_paths.append(value)
            continue
        earlier = flags[name].value if name in flags else None
        read = split_list(value) if is_list(types_by_name[name]) else value
        if read == []:
            _expect_value(name, value.strip(" ,"))
        if isinstance(read, list) and isinstance(earlier, list):
            read = [*earlier, *read]
        flags[name] = Given(read, flag_origin(name, value))
    return flags, config_paths


def _name_and_value(
    argument: str, remaining: Iterator[str], types_by_name: Mapping[str, Any], prog: str
) -> tuple[str, str]:
    """Return what a flag sets, taking the argument after it where there is no "="."""
    if not argument.startswith("--"):
        hint = f"Settings are given as --name=value; python {prog} --help lists them."
        raise UserError(f"unexpected argument {argument!r}", hint)
    name, has_value, value = argument[2:].partition("=")
    if name not in types_by_name:
        raise UserError(f"unknown flag --{name}", _hint_for_unknown(name, types_by_name, prog))
    if name == "quiet" and not has_value:
        return name, "True"
    if not has_value:
        following = next(remaining, None)
        if following is None or following.startswith("--"):
            example = "True" if types_by_name[name] is bool else "value"
            raise UserError(f"--{name} needs a value", f"Write --{name}={example}.")
        value = following
    _expect_value(name, value)
    return name, value


def _hint_for_unknown(name: str, types_by_name: Mapping[str, Any], prog: str) -> str:
    for prefix in ("no_", "no-"):  # as argparse and others spell a boolean
        meant = name.removeprefix(prefix).replace("-", "_")
        if name.startswith(prefix) and bool in members_of(types_by_name.get(meant)):
            return f"Write --{meant}=False."
    if name == "help":
        return "Write --help, or --help=all."
    return nearest(name, types_by_name, "--") or f"python {prog} --help lists all flags."


def _expect_value(name: str, value: str) -> None:
    """Refuse a flag without a value, such as --train_data=$MANIFEST with a variable not set."""
    if value == "":
        raise UserError(
            f"--{name}= has no value",
            f"Write --{name}=value, or leave it out. Was it a variable of the shell that is empty?",
        )


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
