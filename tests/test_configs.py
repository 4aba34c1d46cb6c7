"""Every file in configs/ is loaded by the program that reads it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from utils.cli.flags import parse_settings
from utils.scoring.gate import read_gate

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGS = REPOSITORY / "configs"
FILES = sorted(path for path in CONFIGS.rglob("*") if path.is_file())
NAMES = [path.relative_to(REPOSITORY).as_posix() for path in FILES]
SETTINGS = [name for name in NAMES if name.endswith(".yaml") and name.count("/") == 1]


def test_every_config_has_a_reader():
    kinds = (
        r"configs/\w+\.yaml",
        r"configs/augmentation\w*\.json",
        r"configs/accelerate/\w+\.yaml",
        r"configs/gates/\w+\.yaml",
    )
    assert [name for name in NAMES if not any(re.fullmatch(kind, name) for kind in kinds)] == []


@pytest.mark.parametrize("name", SETTINGS)
def test_a_settings_file_names_its_script_and_loads_in_it(settings_of, name):
    comments = [
        line for line in (REPOSITORY / name).read_text("utf-8").splitlines() if line[:1] == "#"
    ]
    scripts = set(re.findall(rf"(\w+\.py)\b.*--config={re.escape(name)}", "\n".join(comments)))
    assert scripts, f"{name} does not say `python <script> --config={name}` in a comment"
    for script in scripts:
        argv = [f"--config={REPOSITORY / name}"]
        parse_settings(settings_of(script), argv, prog=script, description="")


@pytest.mark.parametrize("name", [name for name in NAMES if "/gates/" in name])
def test_a_file_of_gates_is_read_and_so_are_its_examples(name, tmp_path):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert read_gate(str(REPOSITORY / name))
    examples = tmp_path / "examples.yaml"
    examples.write_text(re.sub(r"^# (?=\w+[\[:])", "", text, flags=re.M), encoding="utf-8")
    assert len(read_gate(str(examples))) > len(read_gate(str(REPOSITORY / name)))


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".json")])
def test_an_augmentation_file_is_read_by_the_augmenter(name):
    from utils.audio.augmentation.pipeline import Augmenter

    assert Augmenter.from_file(str(REPOSITORY / name))


@pytest.mark.parametrize("name", [name for name in NAMES if "/accelerate/cpu_" in name])
def test_an_accelerate_file_starts_as_many_processes_as_its_name_says(name, tmp_path):
    script = tmp_path / "rank.py"
    script.write_text(
        "import os, pathlib\n"
        "rank, count = os.environ.get('RANK', '0'), os.environ.get('WORLD_SIZE', '1')\n"
        "pathlib.Path(__file__).with_name(f'rank-{rank}-of-{count}').touch()\n"
    )
    launcher = ["-m", "accelerate.commands.launch", f"--config_file={REPOSITORY / name}"]
    done = subprocess.run(
        [sys.executable, *launcher, str(script)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    count = int(Path(name).stem.removeprefix("cpu_"))
    started = sorted(path.name for path in tmp_path.glob("rank-*"))
    assert started == [f"rank-{rank}-of-{count}" for rank in range(count)]
