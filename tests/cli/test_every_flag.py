"""Every flag of every script, given a value that is not of its type: refused by name, with 2."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from tests.conftest import script_names
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings
from utils.cli.spelling import read_given
from utils.cli.values import Given, checked_types, choices_of, default_of, is_list, members_of

SCRIPTS = script_names()

# What a value must be refused as, and the spellings that are tried.
WRONG = {
    int: ["two", "1.5", "1e3", "nan", "inf", "", "True", "1,2", "0x10", "１", " 1", "None", "{}"],
    float: ["fast", "nan", "inf", "-inf", "1e999", "", "True", "1,5", "5%", "1 000", "None", "[]"],
    bool: ["nope", "Flase", "2", "", "y", "1.0", "None", "True,False", "-1"],
    str: ["None", "null", ""],
}


def wrong_values(field_type: object) -> list[str]:
    """Return what no member of a type takes, as flags and files spell it."""
    members = members_of(field_type)
    if is_list(field_type):
        return ["", ",", *(["None"] if type(None) not in members else [])]
    wrong: list[str] = []
    for member in members:
        wrong += WRONG.get(member, [])
        for choice in choices_of(member):
            wrong += [choice.upper(), f"{choice}x", f"{choice},{choice}", "", "None"]
    taken = {"none", "null"} if type(None) in members else set()
    if float in members or int in members:
        taken |= {"1e3"} if float in members else set()
    if str in members:
        wrong = ["", "None", "null"]
    return [each for each in dict.fromkeys(wrong) if each.lower() not in taken]


def ended(script: str, argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a script in this process; return its exit code and what it said on stderr."""
    name, *command = script.split()
    main = importlib.import_module(Path(name).stem).main
    code = run_script(lambda _: main([*command, *argv]))
    out, error = capsys.readouterr()
    assert out == ""
    return code, error


def expect_refused(code: int, said: str, name: str, case: str) -> None:
    first = said.splitlines()[0]
    assert code == 2 and first.startswith("error: ") and name in first, (case, code, said)
    assert "Traceback" not in said, case


@pytest.fixture
def flags(request, settings_of):
    return checked_types(settings_of(request.node.callspec.params["script"]))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_wrong_value_of_each_flag_is_refused(script, flags, capsys):
    for name, field_type in flags.items():
        for value in wrong_values(field_type):
            for argv in ([f"--{name}={value}"], [f"--{name}", value]):
                expect_refused(*ended(script, argv, capsys), f"--{name}", str(argv))


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_flag_needs_a_value(script, flags, capsys):
    for name in flags:
        for argv in (
            [f"--{name}"],
            [f"--{name}", "--config=x"],
            [f"--no_{name}"],
            [f"--{name}x=1"],
        ):
            named = argv[0].partition("=")[0]
            expect_refused(*ended(script, argv, capsys), named, str(argv))


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_last_of_two_is_checked_as_the_first_is_not(script, flags, capsys):
    for name, field_type in flags.items():
        wrong = [each for each in wrong_values(field_type) if each]
        if wrong and not is_list(field_type):
            argv = [f"--{name}={wrong[0]}", f"--{name}={wrong[-1]}"]
            expect_refused(*ended(script, argv, capsys), f"--{name}={wrong[-1]}", str(argv))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_wrong_value_of_each_key_of_a_config_is_refused(script, flags, capsys, tmp_path):
    config = tmp_path / "run.yaml"
    for name, field_type in flags.items():
        unquoted = [each for each in wrong_values(field_type) if each not in ("", ",")]
        # A quoted word is text, whatever it says: of all but numbers and choices, it is a value.
        values = [each if each.isalnum() else f"'{each}'" for each in unquoted]
        nested = ["{a: 1}", "[[1]]", "[{a: 1}]", "[a, b]" if not is_list(field_type) else "{}"]
        for value in [*values, *nested]:
            if str in members_of(field_type) and value.startswith("'"):
                continue
            config.write_text(f"{name}: {value}\n", encoding="utf-8")
            code, said = ended(script, [f"--config={config}"], capsys)
            expect_refused(code, said, f"line 1: {name}: ", f"{name}: {value}")


@pytest.mark.parametrize("script", SCRIPTS)
def test_unknown_repeated_and_nested_keys_are_refused(script, flags, capsys, tmp_path):
    config = tmp_path / "run.yaml"
    first, second = list(flags)[:2]
    for text, named in (
        (f"{first}x: 1", f"'{first}x'"),
        (f"settings:\n  {first}: 1", "'settings'"),
        (f"{first.upper()}: 1", f"'{first.upper()}'"),
        (f"--{first}: 1", f"'--{first}'"),
        (f"{first}: 1\n{second}: 1\n{first}: 1", f"line 3: '{first}' is given twice"),
        (f"- {first}: 1", "run.yaml: expected `name: value` lines"),
        (f"{first}=1", "run.yaml: expected `name: value` lines"),
        (f"{first}: [1", "run.yaml, line 2: not valid YAML"),
        (f"{first}: 1\n---\n{first}: 2", "run.yaml, line 2: not valid YAML"),
        (f"{first}: *there", "run.yaml, line 1: not valid YAML"),
    ):
        config.write_text(text + "\n", encoding="utf-8")
        expect_refused(*ended(script, [f"--config={config}"], capsys), named, text)


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_help_calls_yes_or_no_is_read_in_any_spelling(script, settings_of):
    settings_type = settings_of(script)
    types = checked_types(settings_type)
    needed = [field.name for field in fields(settings_type) if default_of(field) is MISSING]
    for name in [name for name, each in types.items() if bool in members_of(each)]:
        for value, expected in (("TRUE", True), ("yes", True), ("on", True), ("No", False)):
            argv = [*(f"--{each}=x" for each in needed), f"--{name}={value}"]
            with contextlib.suppress(UserError):  # it need not go with the others' defaults
                read = parse_settings(settings_type, argv, prog=script, description="")
                assert getattr(read, name) is expected, argv
            assert read_given(Given(value, ""), types[name]) is expected, argv


@pytest.mark.parametrize(
    "command",
    [
        ["finetune_all.py", "--freeze_encoder=nope"],
        ["finetune_all.py", "--timestamps=Flase"],
        ["finetune_all.py", "--max_steps=two"],
        ["custom.py", "table", "--path=a.csv", "--overwrite=maybe"],
        ["evaluation.py", "--batch_size=two"],
    ],
    ids=" ".join,
)
def test_a_process_ends_with_2_and_the_flags_name(command, repository):
    done = subprocess.run(
        [sys.executable, *command], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {command[-1]}: expected ")
    assert "Traceback" not in done.stderr
