"""Folders are whole or not there; an earlier run is never replaced unasked."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from utils.cli.errors import UserError
from utils.model.folders import clear_run, model_name, prepare_run, write_folder


@pytest.mark.parametrize("path", ["openai/whisper-tiny", "models/whisper-tiny/", "./whisper-tiny"])
def test_a_run_is_named_after_its_base_model(path: str) -> None:
    assert model_name(path) == "whisper-tiny"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write_folder(target, lambda folder: (folder / "a").write_text("old"))

    def fail(folder: Path) -> None:
        (folder / "a").write_text("new")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_folder(target, fail)
    assert (target / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write_folder(target, lambda folder: (folder / "a").write_text("old"))
    write_folder(target, lambda folder: (folder / "b").write_text("new"))
    assert [p.name for p in target.iterdir()] == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_an_earlier_run_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-10").mkdir()
    with pytest.raises(UserError, match="holds an earlier run") as caught:
        prepare_run(tmp_path, None, overwrite=False)
    assert "--resume_from_checkpoint=auto" in caught.value.hint
    assert prepare_run(tmp_path, None, overwrite=True) is None
    assert prepare_run(tmp_path, "auto", overwrite=False) == str(tmp_path / "checkpoint-10")


def test_auto_takes_the_newest_by_number(tmp_path: Path) -> None:
    for step in (9, 100, 20):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert prepare_run(tmp_path, "auto", overwrite=False) == str(tmp_path / "checkpoint-100")


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no trainer_state\.json"):
        prepare_run(tmp_path, str(tmp_path), overwrite=False)


def test_clearing_a_run_leaves_the_users_own_files(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "checkpoint-notes").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    clear_run(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint-notes", "notes.txt"}
