"""Paths with commas, and paths in settings files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from utils.cli.flags import parse_settings


@dataclass(frozen=True)
class Settings:
    """Data."""

    data: tuple[str, ...] = ()
    """Files."""
    model: str = "none"
    """A file."""
    output_dir: str = "output/"
    """A folder."""


def parsed(*argv: str) -> Settings:
    return parse_settings(Settings, argv, prog="x.py", description="")


def test_a_path_with_a_comma_is_one_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a,b").mkdir()
    for name in ("a,b/m.json", "c.json"):
        Path(name).touch()
    assert parsed("--data=a,b/m.json,c.json,d.json").data == ("a,b/m.json", "c.json", "d.json")


def test_paths_of_a_settings_file_may_be_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cfg/sub/m.json", "cfg/both.json", "both.json", "cfg/output/x"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("cfg/run.yaml").write_text(
        "data: [sub/m.json, both.json, nowhere.json]\nmodel: sub/m.json\noutput_dir: output/\n"
    )
    found = parsed("--config=cfg/run.yaml")
    assert found.data == ("cfg/sub/m.json", "both.json", "nowhere.json")
    assert (found.model, found.output_dir) == ("cfg/sub/m.json", "output/")
