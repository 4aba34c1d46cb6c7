"""Where a command begins: anew, at the newest good checkpoint, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.processes import start_forked, wait_until_said
from tests.training.resume.test_checkpoints import write
from utils.cli.errors import UserError
from utils.model.folders import BEST, FINAL
from utils.training.resume import start
from utils.training.resume.identity import NO_SAY, differences, read_run_file, write_run_file
from utils.training.resume.start import Start, choose_start, refuse_foreign_folder, sole_writer
from utils.training.settings.common import TrainSettings
from utils.training.settings.runs import FullSettings, LoraSettings

IDENTITY = {"learning_rate": 0.1, "train manifest (SHA-256)": "a" * 64}


def begin(run: Path, identity: dict[str, Any] | None = None, **settings: Any) -> Start:
    return choose_start(run, TrainSettings(**settings), identity or IDENTITY)


def test_settings_without_a_say_exist() -> None:
    known = LoraSettings.__dataclass_fields__.keys() | FullSettings.__dataclass_fields__.keys()
    assert known >= NO_SAY


def test_differences_are_named_one_by_one() -> None:
    old = {"a": 1, "b": None, "gone": 2, "x (SHA-256)": "a" * 64, "files": {"m": "1", "n": "2"}}
    new = {"a": 1, "b": "c", "x (SHA-256)": "b" * 64, "files": {"m": "1", "n": "3"}, "more": True}
    assert differences(old, new) == [
        "b: None -> c",
        "gone: 2 -> not set",
        "x (SHA-256): aaaaaaaaaaaa... -> bbbbbbbbbbbb...",
        "files: n changed",
        "more: not set -> True",
    ]


def test_an_empty_folder_begins(tmp_path: Path) -> None:
    assert begin(tmp_path) == Start()


def test_the_same_command_goes_on(tmp_path: Path) -> None:
    write_run_file(tmp_path, IDENTITY, finished=False)
    assert begin(tmp_path) == Start()  # killed before its first checkpoint
    for step in (9, 100, 20):
        write(tmp_path, step)
    assert begin(tmp_path) == Start(str(tmp_path / "checkpoint-100"))
    assert begin(tmp_path, resume_from_checkpoint="auto") == begin(tmp_path)
    assert begin(tmp_path, overwrite_output_dir=True) == Start()


def test_a_finished_run_says_so_as_long_as_it_is_all_there(tmp_path: Path) -> None:
    write_run_file(tmp_path, IDENTITY, finished=True)
    last = write(tmp_path, 9)
    for name in (BEST, FINAL):
        assert begin(tmp_path) == Start(str(last))
        (tmp_path / name).mkdir()
    assert begin(tmp_path) == Start(finished=True)


def test_changed_settings_are_refused_and_can_be_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run_file(tmp_path, IDENTITY, finished=True)
    last = write(tmp_path, 9)
    changed = {**IDENTITY, "learning_rate": 0.2}
    for asked in (None, "auto", str(last)):
        with pytest.raises(UserError, match=r"learning_rate: 0\.1 -> 0\.2"):
            begin(tmp_path, changed, resume_from_checkpoint=asked)
    allowed = begin(tmp_path, changed, allow_changed_settings=True)
    assert allowed == Start(str(last), changed=True)
    assert "learning_rate: 0.1 -> 0.2" in capsys.readouterr().err
    assert begin(tmp_path, changed, overwrite_output_dir=True) == Start()


def test_checkpoints_of_which_nothing_is_known_are_not_replaced_unasked(tmp_path: Path) -> None:
    old = tmp_path / "checkpoint-10"
    old.mkdir()
    with pytest.raises(UserError, match="holds an earlier run") as caught:
        refuse_foreign_folder(tmp_path, TrainSettings())
    assert "--resume_from_checkpoint=auto" in caught.value.hint
    refuse_foreign_folder(tmp_path, TrainSettings(overwrite_output_dir=True))
    (old / "trainer_state.json").write_text('{"global_step": 10}')
    for part in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (old / part).write_bytes(b"")
    refuse_foreign_folder(tmp_path, TrainSettings(resume_from_checkpoint="auto"))
    assert begin(tmp_path, resume_from_checkpoint="auto") == Start(str(old))


def test_a_run_file_that_is_no_run_file_counts_as_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"identity": 3}'):
        (tmp_path / "run.json").write_text(text)
        assert read_run_file(tmp_path) is None


HOLD = """
import sys, time
from pathlib import Path
from utils.training.resume.start import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_two_runs_do_not_write_to_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "LOCK_PATIENCE", 0.5)
    (tmp_path / "hold.py").write_text(HOLD)
    run = tmp_path / "run"
    other = start_forked(["hold.py", str(run)], tmp_path, tmp_path)
    wait_until_said(other, tmp_path, "held")
    with pytest.raises(UserError, match="another process is training into"), sole_writer(run):
        pass
    other.kill()
    other.join()
    with sole_writer(run):  # the lock ended with its process
        pass
    with sole_writer(run):
        pass
