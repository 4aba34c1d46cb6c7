"""What may be wrong with data, disks and machines, and what a run makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import finetune
from tests import soak
from tests.processes import run_forked
from tests.test_launchers import curve, launch, training_flags
from tests.training.test_run import flags
from utils.cli.errors import UserError
from utils.model.checksums import find_damage
from utils.model.folders import checkpoints


def part_of(manifest: Path, name: str, count: int) -> Path:
    path = manifest.with_name(name)
    lines = manifest.read_text("utf-8").splitlines(keepends=True)[:count]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"min_audio_len": 3.2, "max_audio_len": 3.3}, "none of its 9 utterances can be trained"),
        ({"dev_data": "EMPTY"}, "empty.jsonl: the manifest is empty"),
    ],
)
def test_no_data_is_one_sentence(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, more: dict[str, object], message: str
) -> None:
    empty = part_of(speech_manifest, "empty.jsonl", 0)
    more = {name: empty if value == "EMPTY" else value for name, value in more.items()}
    with pytest.raises(UserError, match=message):
        finetune.main(flags(tiny_model, speech_manifest, tmp_path / "output", **more))
    assert not (tmp_path / "output").exists()


@pytest.mark.timeout(900)
def test_processes_without_data_and_another_number_of_them_when_resumed(
    repository: Path, tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    one = part_of(speech_manifest, "one.jsonl", 1)
    begun = [*training_flags(tiny_model, one, tmp_path / "one", 4), "--save_steps=2"]
    launch("one", repository, "finetune.py", begun)
    # The second process never has an utterance, and comes in after the third step.
    run = tmp_path / "one" / "tiny"
    expected = curve(run)
    resumed = training_flags(tiny_model, one, tmp_path / "one", 2)
    from_two = f"--resume_from_checkpoint={run / 'checkpoint-2'}"
    said = launch("two", repository, "finetune.py", [*resumed, "--save_steps=2", from_two])
    assert "2 processes, DDP" in said
    assert curve(run) == pytest.approx(expected, rel=1e-4)


def test_a_full_disk_in_the_middle_of_a_checkpoint(
    repository: Path, tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("no small disk can be mounted here")
    try:
        command = flags(tiny_model, speech_manifest, disk, max_steps=8, save_steps=1)
        done = run_forked(["finetune.py", *command], repository)
        assert done.returncode == 1, done.stderr[-2000:]
        assert "could not be written: the disk is full" in done.stderr
        assert "Traceback" not in done.stderr
        kept = checkpoints(disk / "tiny")
        assert kept and all(find_damage(folder) is None for folder in kept)
        assert not (disk / "tiny" / "checkpoint-final").exists()
        assert not any((disk / "tiny" / ".unfinished").glob("*/checksums.json"))
        subprocess.run(["mount", "-o", "remount,size=60m", str(disk)], check=True)
        finetune.main(command)
        assert (disk / "tiny" / "checkpoint-final").is_dir()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.timeout(900)
def test_a_short_soak_ends_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--kills=3", "--processes=1", "--max_steps=10", f"--output_dir={tmp_path}/soak"]
    assert soak.main(settings) == 0
    said = capsys.readouterr().out
    assert "3 kills" in said and "equal: weights and metrics" in said
