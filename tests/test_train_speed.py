"""The training benchmarks, run as a person runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(repository: Path, script: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"benchmarks/{script}", *flags]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_both_recipes_are_timed_and_every_measurement_is_kept(
    repository: Path, tiny_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "speed.json"
    done = run(
        repository,
        "train_speed.py",
        f"--model={tiny_model}",
        f"--data_dir={tmp_path / 'nowhere'}",
        "--means=2",
        "--batch_sizes=2",
        "--contexts=dynamic",
        "--clips=3",
        "--rounds=2",
        "--utterances=20",
        "--growth_steps=2",
        f"--output={output}",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(output.read_text())
    (row,) = found["training"]
    assert (row["examples"], row["steps"]) == (3, 2)
    for name in ("stock", "dynamic"):
        assert len(row["seconds"][name]) == 2
        assert all(each["training"] > 0 for each in row["seconds"][name])
    ratio = row["stock_over_ours"]["dynamic"]["training"]
    assert ratio["minimum"] <= ratio["median"] <= ratio["maximum"]
    (size,) = found["growth"]
    assert [len(each["steps"]) for each in size["rounds"]] == [2, 2]
    assert {"machine", "settings", "speech"} <= set(found)
    assert str(tmp_path) not in json.dumps({**found, "settings": None})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_kind_of_training_becomes_a_line_of_the_table(
    repository: Path, tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    data = (f"--{part}_data={speech_manifest}" for part in ("train", "dev", "test"))
    done = run(
        repository,
        "context_table.py",
        f"--base_model={tiny_model}",
        *data,
        "--kinds=mixed+margin",
        "--max_steps=1",
        "--warmup_steps=0",
        f"--work_dir={tmp_path / 'work'}",
        f"--output={tmp_path / 'table.json'}",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["base, as it is", "mixed+margin"]
    assert len({row.count("|") for row in rows}) == 1
    assert "--context_margin=1" in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["long", "mixed+magic", "full+match", "thinned+margin"])
def test_a_kind_that_does_not_exist_is_refused(repository: Path, kind: str) -> None:
    done = run(repository, "context_table.py", f"--kinds={kind}")
    assert done.returncode == 2
    assert "of full, thinned, mixed, dynamic, the last two" in done.stderr


@pytest.mark.parametrize("flag", ["--contexts=wide", "--clips=1,2", "--means=31,1,1", "--rounds=0"])
def test_what_cannot_be_measured_is_refused(repository: Path, flag: str) -> None:
    done = run(repository, "train_speed.py", flag)
    assert done.returncode == 2
    assert flag.partition("=")[0].strip("-") in done.stderr


def scripts() -> list[str]:
    folder = Path(__file__).resolve().parent.parent / "benchmarks"
    texts = {path.name: path.read_text("utf-8") for path in folder.glob("*.py")}
    return sorted(name for name, text in texts.items() if "run_script(main)" in text)


@pytest.mark.parametrize("script", scripts())
def test_help_says_what_is_measured(script: str, repository: Path) -> None:
    done = run(repository, script, "--help")
    assert done.returncode == 0
    assert "--output" in done.stdout
