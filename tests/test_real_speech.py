"""The benchmark on the real whisper-base: what it runs, and what it does without its data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SETS = ("zh_aishell_S0150", "en_speechocean762")
CLIPS = 2
KINDS = ("multilingual", *SETS)


def run(repository: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/real_speech.py", *flags]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=580)


def test_without_recordings_it_is_skipped_by_name(repository: Path, tmp_path: Path) -> None:
    done = run(repository, f"--data={tmp_path}/none", f"--base_model={tmp_path}/base")
    assert done.returncode == 0
    assert done.stdout.startswith(f"skipped: {tmp_path}/base, {tmp_path}/none/{SETS[0]}")
    assert "--base_model" in done.stdout


def test_an_unknown_set_is_refused(repository: Path) -> None:
    done = run(repository, "--runs=zh,fr")
    assert done.returncode == 2
    assert "--runs=fr: expected zh, en, zh_keep, zh_full" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.requires_shared
def test_a_few_clips_are_trained_on_and_the_test_part_is_only_scored(
    repository: Path, shared: Path, tmp_path: Path
) -> None:
    for name in KINDS:
        data = tmp_path / "data" / name
        data.mkdir(parents=True)
        for source in (shared / "data" / name).iterdir():
            if source.suffix == ".jsonl":
                lines = source.read_text("utf-8").splitlines()
                (data / source.name).write_text("\n".join(lines[:CLIPS]) + "\n", "utf-8")
            else:
                (data / source.name).symlink_to(source)
    output = tmp_path / "real.json"
    done = run(
        repository,
        "--runs=zh",
        f"--base_model={shared / 'models' / 'whisper-base'}",
        f"--data={tmp_path / 'data'}",
        "--num_train_epochs=1",
        f"--work_dir={tmp_path / 'work'}",
        f"--output={output}",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    measured = json.loads(output.read_text("utf-8"))["sets"]["zh"]
    assert measured["scores"].keys() == {"zh", "en", "multilingual"}
    for scores in measured["scores"].values():
        assert scores.keys() == {"base", "tuned", "half"}
        assert all(score["utterances"] == CLIPS for score in scores.values())
    with_test = {
        step for step, cost in measured["steps"].items() if "/test.jsonl" in cost["command"]
    }
    assert with_test == {"score"}
    assert all(cost["peak_bytes"] > 1e8 for cost in measured["steps"].values())
    assert measured["curve"][0][0] == 0
    assert "| zh | zh | base | CER" in done.stdout
