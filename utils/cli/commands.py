"""Scripts with several commands: `python custom.py <command> --name=value`."""

from __future__ import annotations

import sys
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from utils.cli.errors import UserError
from utils.cli.flags import parse_settings
from utils.cli.spelling import nearest


def parse_command(
    commands: Mapping[str, type], argv: Sequence[str] | None, *, prog: str, description: str
) -> tuple[str, Any]:
    """Find which command is meant and fill its settings.

    Args:
        commands: The settings dataclass of each command; the first line of its docstring says in
            the overview what the command is for.
        argv: The arguments; None means those of the command line.
        prog: The script's name, as `--help` shows it.
        description: What the script does; shown above the overview.

    Returns:
        The command and its settings.

    Raises:
        UserError: No such command, or its settings cannot be parsed.
        SystemExit: After `--help` was printed.
    """
    name, *flags = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        print(_overview(commands, prog, description))
        raise SystemExit(0)
    if name.startswith("-"):
        raise _flag_without_command(commands, name, prog)
    if name not in commands:
        known = f"There are {', '.join(commands)}."
        raise UserError(f"unknown command {name!r}", nearest(name, commands, "") or known)
    what = _purpose(commands[name])
    return name, parse_settings(commands[name], flags, prog=f"{prog} {name}", description=what)


def _overview(commands: Mapping[str, type], prog: str, description: str) -> str:
    width = max(map(len, commands))
    lines = [
        f"  {name:<{width}}  {_purpose(settings).splitlines()[0]}"
        for name, settings in commands.items()
    ]
    head = f"usage: {prog} <command> [--name=value ...]\n\n{description.strip()}\n\ncommands:"
    return "\n".join([head, *lines, f"\npython {prog} <command> --help lists its flags."])


def _purpose(settings: type) -> str:
    return (settings.__doc__ or "").strip()


def _flag_without_command(commands: Mapping[str, type], flag: str, prog: str) -> UserError:
    name = flag.lstrip("-").partition("=")[0]
    takers = [
        command
        for command, settings in commands.items()
        if name in ("config", "quiet") or name in typing.get_type_hints(settings)
    ]
    if takers:
        return UserError(
            f"--{name} stands where a command should: {', '.join(takers)}",
            f"Write python {prog} {takers[0]} --{name}=...",
        )
    return UserError(f"unknown flag --{name}", f"python {prog} --help lists the commands.")
