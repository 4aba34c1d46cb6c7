"""The types of every training flag are known to the parser, so that a wrong value is refused."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import utils.training.settings as room

REPOSITORY = Path(__file__).resolve().parents[3]
CLASSES = sorted(
    {
        value
        for info in pkgutil.iter_modules(room.__path__)
        for value in vars(importlib.import_module(f"{room.__name__}.{info.name}")).values()
        if dataclasses.is_dataclass(value) and value.__module__.startswith(room.__name__)
    },
    key=lambda settings: settings.__name__,
)


@pytest.mark.parametrize("settings", CLASSES, ids=lambda settings: settings.__name__)
def test_every_settings_class_has_evaluated_types(settings):
    hints = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        assert field.type == hints[field.name], f"{field.name}: {field.type!r} is still text"


@pytest.mark.parametrize("script", ["finetune.py", "finetune_all.py"])
def test_the_help_shows_a_type_for_every_flag(script):
    done = subprocess.run(
        [sys.executable, script, "--help"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "Unvalidated" not in done.stdout


@pytest.mark.parametrize(
    "flag",
    ["--freeze_encoder=nope", "--timestamps=Flase", "--max_steps=two", "--audio_context=half"],
)
def test_a_value_of_the_wrong_type_ends_with_2_and_the_flag(flag):
    done = subprocess.run(
        [sys.executable, "finetune_all.py", flag], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {flag}: expected")
