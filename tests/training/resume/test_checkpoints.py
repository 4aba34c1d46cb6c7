"""Numbered checkpoints: sealed, verified, rotated; damaged ones are set aside and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from utils.cli.errors import UserError
from utils.data.batching import BatchPlan
from utils.model.checksums import find_damage
from utils.model.folders import checkpoints
from utils.training.resume.checkpoints import (
    check_named,
    newest_good,
    rotate,
    seal,
    unfinished_folder,
)
from utils.training.resume.state import ResumeState, cut_as_before


def write(run: Path, step: int) -> Path:
    folder = unfinished_folder(run) / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text("{}")
    (folder / "weights").write_text(f"of step {step}")
    return seal(run, step)


def numbers(run: Path) -> list[str]:
    return [path.name for path in checkpoints(run)]


def test_a_sealed_checkpoint_is_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    assert find_damage(write(tmp_path, 3)) is None
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


def test_an_unfinished_checkpoint_is_none(tmp_path: Path) -> None:
    write(tmp_path, 3)
    (unfinished_folder(tmp_path) / "checkpoint-9").mkdir(parents=True)
    assert newest_good(tmp_path) == tmp_path / "checkpoint-3"


def test_the_last_good_one_is_used_and_the_damaged_ones_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (2, 9, 10):
        write(tmp_path, step)
    (tmp_path / "checkpoint-10" / "weights").write_text("of stop 10")
    (tmp_path / "checkpoint-9" / "trainer_state.json").unlink()
    assert newest_good(tmp_path) == tmp_path / "checkpoint-2"
    said = capsys.readouterr().err
    assert "checkpoint-10 is damaged: the content of weights has changed" in said
    assert "checkpoint-9 is damaged: trainer_state.json is missing" in said
    assert numbers(tmp_path) == ["checkpoint-2"]
    assert (tmp_path / "checkpoint-10.damaged" / "weights").read_text() == "of stop 10"
    write(tmp_path, 10)
    assert not (tmp_path / "checkpoint-10.damaged").exists()


def test_where_none_is_good_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert newest_good(tmp_path) is None
    assert capsys.readouterr().err == ""
    (write(tmp_path, 4) / "weights").write_text("")
    assert newest_good(tmp_path) is None
    assert "no checkpoint of" in capsys.readouterr().err


def test_rotation_keeps_the_newest_and_drops_an_abandoned_course(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        write(tmp_path, step)
    rotate(tmp_path, 3, limit=2)  # the run went back from 10
    assert numbers(tmp_path) == ["checkpoint-2", "checkpoint-3"]
    rotate(tmp_path, 3, limit=None)
    assert numbers(tmp_path) == ["checkpoint-2", "checkpoint-3"]


def test_a_chosen_checkpoint_must_be_one_and_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"has no trainer_state\.json") as caught:
        check_named(tmp_path, tmp_path)
    assert "--resume_from_checkpoint=auto" in caught.value.hint
    folder = write(tmp_path, 5)
    check_named(folder, tmp_path)
    (folder / "weights").write_text("")
    with pytest.raises(UserError, match="weights has 0 bytes"):
        check_named(folder, tmp_path)
    (folder / "checksums.json").unlink()
    state = {"global_step": 5, "epoch": 0.5, "log_history": [{"loss": float("nan")}]}
    (folder / "trainer_state.json").write_text(json.dumps(state))
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        with pytest.raises(UserError, match=rf"lacks the \w+.*: it has no {name[:4]}"):
            check_named(folder, tmp_path)
        (folder / name).write_text("")
    check_named(folder, tmp_path)
    assert "cannot be verified" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("trainer_state.json", '{"global_step": "5"}', "global_step is the text '5'; expected int"),
        ("trainer_state.json", '{"global_step": 5, "x": 1}', "has no field 'x'"),
        ("trainer_state.json", "[" * 100_000, "nested too deeply"),
        ("trainer_state.json", '{"epoch": 1}', "has no global_step"),
        ("resume_state.json", '{"memory_limits": [1, "2"]}', "memory_limits is a list"),
        ("resume_state.json", "[]", "holds a list; expected a JSON object"),
        ("resume_state.json", b"\xff", "not JSON"),
    ],
)
def test_a_state_of_other_types_is_refused(
    tmp_path: Path, file: str, content: str | bytes, message: str
) -> None:
    folder = tmp_path / "checkpoint-5"
    folder.mkdir()
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (folder / name).write_text("")
    (folder / "trainer_state.json").write_text('{"global_step": 5}')
    whole = ResumeState(memory_limits=[None, 3], failures={"a": "b"}, rank_pattern={"a": [True]})
    whole.write(folder)
    check_named(folder, tmp_path)
    assert ResumeState.read(folder) == whole
    (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        check_named(folder, tmp_path)
    assert message in caught.value.message


def test_steps_are_cut_as_before_unless_there_are_more_processes(tmp_path: Path) -> None:
    ResumeState(micro_batch=2, accumulation=4).write(tmp_path)
    found = cut_as_before(BatchPlan(micro_batch=4, accumulation=2, num_processes=2), tmp_path)
    assert (found.micro_batch, found.accumulation, found.num_processes) == (2, 4, 2)
    other = BatchPlan(micro_batch=4, accumulation=1)
    assert cut_as_before(other, tmp_path) == other
    assert cut_as_before(other, tmp_path / "older") == other
