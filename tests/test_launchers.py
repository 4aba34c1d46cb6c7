"""Two processes, started as the README says, train and score like one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import free_port, run_forked

pytestmark = pytest.mark.timeout(600)

LAUNCHERS = ["torchrun", "accelerate"]


def launch(kind: str, repository: Path, script: str, flags: list[str]) -> str:
    """Run a script in one process or two and return what it said.

    Args:
        kind: "one"; "two", which find each other without a launcher's help; "torchrun";
            "accelerate".
        repository: in which it runs.
        script: from there on.
        flags: of the script.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if kind in ("one", "two"):
        count = 1 if kind == "one" else 2
        done = run_forked([script, *flags], repository, environment, count)
    else:
        port = f"--main_process_port={free_port()}"
        config = "--config_file=configs/accelerate/cpu_2.yaml"
        launcher = {
            "torchrun": [
                *["-m", "torch.distributed.run", "--nproc_per_node=2"],
                *["--master_addr=127.0.0.1", f"--master_port={free_port()}"],
            ],
            "accelerate": ["-m", "accelerate.commands.launch", config, port],
        }[kind]
        done = subprocess.run(
            [sys.executable, *launcher, script, *flags],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def curve(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    names = ("loss", "grad_norm", "dev_loss", "dev_cer", "examples")
    return [line[name] for line in lines for name in names if name in line]


def training_flags(model: Path, data: Path, output: Path, batch: int) -> list[str]:
    return [
        f"--base_model={model}",
        f"--train_data={data}",
        f"--dev_data={data}",
        f"--output_dir={output}",
        f"--per_device_train_batch_size={batch}",
        "--max_steps=5",
        "--logging_steps=1",
        "--eval_steps=2",
        "--save_steps=100",
        "--warmup_steps=1",
        "--num_workers=1",
    ]


@pytest.fixture(scope="module")
def one_process(
    repository: Path,
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[float]:
    output = tmp_path_factory.mktemp("one")
    flags = training_flags(tiny_model, speech_manifest, output, batch=4)
    said = launch("one", repository, "finetune.py", flags)
    assert "compute      1 process," in said
    return curve(output / "tiny")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_train_like_one(
    repository: Path,
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    one_process: list[float],
    launcher: str,
) -> None:
    flags = training_flags(tiny_model, speech_manifest, tmp_path, batch=2)
    said = launch(launcher, repository, "finetune.py", flags)
    assert "compute      2 processes, DDP," in said
    assert curve(tmp_path / "tiny") == pytest.approx(one_process, rel=1e-4)


def test_two_processes_match_windows_keep_a_budget_and_ask_the_base_like_one(
    repository: Path, tiny_model: Path, speech_manifest: Path, demo_model: Path, tmp_path: Path
) -> None:
    more = ["--batch_seconds=4", "--batch_tokens=40", "--audio_context=mixed"]
    more += ["--context_match_steps=3", "--full_share=0.3"]
    more += [f"--keep_data={demo_model.parent / 'en' / 'dev.jsonl'}", "--keep_share=0.5"]
    more += ["--keep_mode=distill", "--learning_rate=0.03"]  # far from the base soon
    curves = []
    # As many parts to a step: two of one process, or one of each of two.
    for kind, parts in (("one", 2), ("two", 1)):
        flags = training_flags(tiny_model, speech_manifest, tmp_path / kind, batch=1)
        flags += [*more, f"--gradient_accumulation_steps={parts}"]
        assert "matching     3 steps" in launch(kind, repository, "finetune.py", flags)
        curves.append(curve(tmp_path / kind / "tiny"))
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)


def said_and_scored(
    kind: str, repository: Path, model: Path, data: Path, folder: Path
) -> tuple[list[tuple[str, str, str]], dict[str, object]]:
    """Evaluate; return each clip's id, text and status, and the score."""
    flags = [f"--model_path={model}", f"--test_data={data}"]
    flags += [f"--report_dir={folder}", f"--cache_dir={folder}-cache", "--batch_size=2"]
    launch(kind, repository, "evaluation.py", flags)
    (predictions,) = (folder / "predictions").glob("*.jsonl")
    lines = [json.loads(line) for line in predictions.read_text().splitlines()]
    said = [(line["id"], line["hypothesis"], line["status"]) for line in lines]
    return said, json.loads((folder / "results.json").read_text())["scores"][0]


@pytest.fixture(scope="module")
def scored_by_one(
    repository: Path,
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[tuple[str, str, str]], dict[str, object]]:
    folder = tmp_path_factory.mktemp("scored") / "one"
    return said_and_scored("one", repository, tiny_model, speech_manifest, folder)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_score_like_one(
    repository: Path,
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    scored_by_one: tuple[list[tuple[str, str, str]], dict[str, object]],
    launcher: str,
) -> None:
    found = said_and_scored(launcher, repository, tiny_model, speech_manifest, tmp_path / "two")
    for said, _ in (found, scored_by_one):
        assert [id_ for id_, _, _ in said] == [f"clip-{number}" for number in range(9)]
    assert found[0] == scored_by_one[0]
    for name in ("rate", "errors"):
        assert found[1][name] == scored_by_one[1][name]
