"""A finished folder says what it holds, and any change to it is found."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from utils.model.checksums import CHECKSUMS, find_damage, write_checksums


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "weights").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "below" / "part").write_text("more")
    write_checksums(tmp_path)
    return tmp_path


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "weights").read_bytes())
    content[1234] ^= 1
    (folder / "weights").write_bytes(content)


def test_a_whole_folder_has_no_damage(finished: Path) -> None:
    assert find_damage(finished) is None


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (flip_a_bit, "the content of weights has changed"),
        (lambda folder: os.truncate(folder / "weights", 7), "weights has 7 bytes, expected 2560"),
        (lambda folder: (folder / "below" / "part").unlink(), "part is missing"),
        (lambda folder: (folder / CHECKSUMS).unlink(), "it has no checksums.json"),
        (lambda folder: os.truncate(folder / CHECKSUMS, 50), "checksums.json: not JSON"),
        (lambda folder: (folder / CHECKSUMS).write_text("[]"), "checksums.json holds a list"),
    ],
)
def test_every_kind_of_damage_is_named(
    finished: Path, damage: Callable[[Path], object], told: str
) -> None:
    damage(finished)
    assert told in (find_damage(finished) or "")
