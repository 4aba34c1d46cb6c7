"""Scripts whose disk is full say so in one sentence, and leave what was there as it was."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from tests.processes import run_forked
from utils.cli.errors import Failure
from utils.cli.files import atomic_write
from utils.model.folders import write_folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MB with a file of the user's."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    (place / "out").mkdir()
    (place / "out" / "mine.txt").write_text("as it was")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, spare: int) -> None:
    """Leave so many bytes free."""
    with open(disk / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            file.truncate(file.tell() - spare)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, repository: Path) -> Path:
    """A folder with an adapter and with the results of an evaluation."""
    place, demo = tmp_path_factory.mktemp("made"), repository / "demo"
    lines = (demo / "en" / "test.jsonl").read_text("utf-8").splitlines()
    ready = ({"id": each["id"], "hypothesis": each["sentence"]} for each in map(json.loads, lines))
    (place / "ready.jsonl").write_text("".join(json.dumps(each) + "\n" for each in ready))
    train = f"finetune.py --base_model={tiny_model} --train_data={demo}/dev.jsonl --max_steps=1"
    score = f"evaluation.py --test_data={demo}/en/test.jsonl --predictions={place}/ready.jsonl"
    for command in (
        f"{train} --dev_data={demo}/dev.jsonl --num_workers=0 --output_dir={place}/output",
        f"{score} --report_dir={place}/report",
    ):
        done = run_forked(command.split(), repository)
        assert done.returncode == 0, done.stderr[-2000:]
    return place


@pytest.mark.parametrize(
    ("command", "spare"),
    [
        ("merge_lora.py --lora_model={made}/output/tiny/checkpoint-final", 4096),
        ("merge_lora.py --lora_model={made}/output/tiny/checkpoint-final", 2 << 20),
        ("convert.py --model_path={tiny} --clips=1 --format=ct2", 12 << 20),
        ("report.py --results={made}/report/results.json", 8192),
        ("check_data.py --data={demo}/train.jsonl --fix={out}/fixed.jsonl", 8192),
        ("custom.py pack --path={demo}/train.jsonl", 1 << 20),
        (
            "evaluation.py --test_data={demo}/dev.jsonl --model_path={tiny} --report_dir={out}",
            4096,
        ),
    ],
)
def test_a_full_disk_is_called_so(
    disk: Path, made: Path, tiny_model: Path, repository: Path, command: str, spare: int
) -> None:
    out = disk / "out"
    spelled = command.format(made=made, tiny=tiny_model, demo=repository / "demo", out=out)
    to = [] if "{out}" in command else [f"--output_dir={out}"]
    fill(disk, spare)
    done = run_forked([*spelled.split(), *to], repository)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert str(out) in done.stderr, done.stderr
    assert (out / "mine.txt").read_text() == "as it was"
    assert not list(disk.rglob("*.unfinished*"))


@pytest.mark.parametrize("library", ["torch", "torch to a handle", "safetensors", "soundfile"])
def test_so_it_is_whatever_library_hides_the_reason(disk: Path, library: str) -> None:
    def write(folder: Path) -> None:
        if library == "torch":
            torch.save(torch.ones(1 << 20), folder / "a.pt")
        elif library == "torch to a handle":
            with atomic_write(folder / "a.pt", "wb") as file:
                torch.save(torch.ones(1 << 20), file)
        elif library == "safetensors":
            save_file({"a": torch.ones(1 << 20)}, folder / "a.safetensors")
        else:
            noise = np.random.default_rng(0).uniform(-1, 1, 1 << 20)
            soundfile.write(folder / "a.wav", noise, 16_000)

    fill(disk, 1 << 20)
    with pytest.raises(Failure, match="model could not be written: the disk is full"):
        write_folder(disk / "model", write)
