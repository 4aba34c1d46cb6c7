"""Scripts with several commands: an overview, and clear words for what is mistyped."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from utils.cli.commands import parse_command
from utils.cli.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Bake:
    """Bake something."""

    degrees: int = 180
    """How hot."""


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """Freeze something."""

    hours: int
    """How long."""


COMMANDS = {"bake": Bake, "freeze": Freeze}


def parse(*argv: str) -> tuple[str, object]:
    return parse_command(COMMANDS, argv, prog="kitchen.py", description="Cook.")


def test_a_command_comes_with_its_own_settings() -> None:
    assert parse("bake") == ("bake", Bake())
    assert parse("freeze", "--hours=3") == ("freeze", Freeze(hours=3))


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_the_overview_names_every_command(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(*argv)
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "Cook." in said
    assert "bake    Bake something." in said
    assert "freeze  Freeze something." in said


def test_a_commands_help_shows_its_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("bake", "--help")
    said = capsys.readouterr().out
    assert "usage: kitchen.py bake" in said
    assert "--degrees" in said


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["bkae"], "unknown command 'bkae'", "Did you mean bake?"),
        (["zzz"], "unknown command 'zzz'", "There are bake, freeze."),
        (["--nothing=1"], "unknown flag --nothing", "lists the commands"),
        (["--hours=1"], "--hours stands where a command should: freeze", "freeze --hours=..."),
        (["freeze"], "missing: --hours", "python kitchen.py freeze --help"),
        (["bake", "--degres=1"], "unknown flag --degres", "Did you mean --degrees?"),
    ],
)
def test_a_mistake_is_named_with_the_next_step(argv: list[str], message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(*argv)
    assert caught.value.message == message
    assert hint in caught.value.hint
