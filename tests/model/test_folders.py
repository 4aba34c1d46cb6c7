"""Folders are whole or not there; an earlier run is never replaced unasked."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from utils.cli.errors import Failure, UserError
from utils.model.folders import clear_run, model_name, read_base_path, remove_remains, write_folder


@pytest.mark.parametrize("path", ["openai/whisper-tiny", "models/whisper-tiny/", "./whisper-tiny"])
def test_a_run_is_named_after_its_base_model(path: str) -> None:
    assert model_name(path) == "whisper-tiny"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write_folder(target, lambda folder: (folder / "a").write_text("old"))

    def fail(folder: Path) -> None:
        (folder / "a").write_text("new")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Failure, match="model could not be written: the disk is full"):
        write_folder(target, fail)
    assert (target / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write_folder(target, lambda folder: (folder / "a").write_text("old"))
    write_folder(target, lambda folder: (folder / "b").write_text("new"))
    assert [p.name for p in target.iterdir()] == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_clearing_a_run_leaves_the_users_own_files(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "checkpoint-notes").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    clear_run(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint-notes", "notes.txt"}


def test_what_a_killed_process_left_is_removed_and_what_it_was_replacing_comes_back(
    tmp_path: Path,
) -> None:
    for name in (".a.12.unfinished", ".a.12.old", ".b.12.old", "b", ".mine"):
        (tmp_path / name).mkdir()
    (tmp_path / ".a.12.old" / "weights").write_text("old")
    (tmp_path / ".c.json.12.unfinished").write_text("{")
    remove_remains(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", ".mine"}
    assert (tmp_path / "a" / "weights").read_text() == "old"


def test_an_adapter_on_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(tmp_path)})
    )
    with pytest.raises(UserError, match="an adapter too"):
        read_base_path(tmp_path)


@pytest.mark.parametrize("name", ["9" * 5000, "/tmp/" + "[" * 300, "a\x00b"])
def test_a_base_of_any_name_is_read(tmp_path: Path, name: str) -> None:
    config = json.dumps({"base_model_name_or_path": name})
    (tmp_path / "adapter_config.json").write_text(config, "utf-8")
    assert read_base_path(tmp_path) == name
