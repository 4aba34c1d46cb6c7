"""DDP, FSDP2 and ZeRO train like one process, write whole models, and are what was asked for."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import finetune
import finetune_all
from tests.test_launchers import curve
from utils.cli.errors import UserError
from utils.model.load import load_model
from utils.training.settings.runs import LoraSettings
from utils.training.sharding.launch import refuse_unshardable, sharing_asked_for
from utils.training.sharding.verification import expect_sharing

pytestmark = pytest.mark.timeout(900)

needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
)
WAYS = {"ddp": "DDP", "fsdp2": "FSDP2", "zero1": "ZeRO 1", "zero2": "ZeRO 2", "zero3": "ZeRO 3"}

# Both scripts, the second one's run again from its second step, and it once more in half precision,
# in one start of processes.
RUNS = """
import shutil
import sys
from pathlib import Path

sys.path.insert(0, REPOSITORY)
import finetune
import finetune_all
from utils.cli.console import is_main_process
from utils.cli.errors import exit_script, run_script
from utils.model.distributed import barrier

folder, flags = Path(sys.argv[1]), sys.argv[2:]


def main(_):
    finetune.main([f"--output_dir={folder / 'lora'}", *flags])
    whole = [f"--output_dir={folder / 'all'}", *flags]
    finetune_all.main(whole)
    barrier()
    if is_main_process():
        shutil.copytree(folder / "all", folder / "resumed")
        shutil.rmtree(folder / "resumed" / "tiny" / "checkpoint-4")
        shutil.rmtree(folder / "resumed" / "tiny" / "checkpoint-final")
    barrier()
    again = [f"--output_dir={folder / 'resumed'}", "--resume_from_checkpoint=auto"]
    finetune_all.main([*flags, *again])
    half = [f"--output_dir={folder / 'half'}", "--bf16=True", "--max_steps=2"]
    finetune_all.main([*flags, *half])


exit_script(run_script(main))
"""


def flags(model: Path, data: Path, batch: int) -> list[str]:
    """Four steps of eight clips; the gradient is long enough to be clipped; the best averaged."""
    return [
        f"--base_model={model}",
        f"--train_data={data}",
        f"--dev_data={data}",
        f"--per_device_train_batch_size={batch}",
        "--gradient_accumulation_steps=2",
        "--max_grad_norm=0.5",
        "--max_steps=4",
        "--logging_steps=1",
        "--eval_steps=2",
        "--save_steps=2",
        "--average_best=2",
        "--warmup_steps=1",
        "--learning_rate=1e-3",
        "--num_workers=0",
    ]


@pytest.fixture(scope="module")
def alone(
    tiny_model: Path, speech_manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    same = flags(tiny_model, speech_manifest, batch=4)
    finetune.main([*same, f"--output_dir={folder / 'lora'}"])
    finetune_all.main([*same, f"--output_dir={folder / 'all'}"])
    finetune_all.main([*same, f"--output_dir={folder / 'half'}", "--bf16=True", "--max_steps=2"])
    return folder


@pytest.mark.parametrize(
    "way", [pytest.param(n, marks=needs_deepspeed if "zero" in n else ()) for n in WAYS]
)
def test_two_processes_train_like_one_and_resume(
    alone: Path, tiny_model: Path, speech_manifest: Path, repository: Path, tmp_path: Path, way: str
) -> None:
    script = tmp_path / "runs.py"
    script.write_text(RUNS.replace("REPOSITORY", repr(str(repository))), encoding="utf-8")
    launcher = [sys.executable, "-m", "accelerate.commands.launch"]
    config = [f"--config_file=configs/accelerate/{way}.yaml", "--main_process_port=0"]
    same = flags(tiny_model, speech_manifest, batch=2)
    done = subprocess.run(
        [*launcher, *config, str(script), str(tmp_path), *same],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.count(f"compute      2 processes, {WAYS[way]}, float32") == 3
    for kind in ("lora", "all"):
        found = curve(tmp_path / kind / "tiny")
        assert found == pytest.approx(curve(alone / kind / "tiny"), rel=1e-4)
    assert curve(tmp_path / "resumed" / "tiny") == curve(tmp_path / "all" / "tiny")
    # Gradients of rounded weights are farther off than the losses, and a text of random weights
    # changes by a token where two are all but equally likely.
    assert curve(tmp_path / "half" / "tiny") == pytest.approx(
        curve(alone / "half" / "tiny"), rel=3e-2
    )
    assert losses(tmp_path / "half") == pytest.approx(losses(alone / "half"), rel=5e-4)
    for name in ("checkpoint-best", "checkpoint-final"):
        adapter = load_model(str(tmp_path / "lora" / "tiny" / name))
        whole = load_model(str(tmp_path / "all" / "tiny" / name))
        assert (adapter.is_adapter, whole.is_adapter) == (True, False)
    for kind in ("lora", "all", "resumed"):
        verdict = json.loads((tmp_path / kind / "tiny" / "average.json").read_text())
        one = alone / ("lora" if kind == "lora" else "all") / "tiny" / "average.json"
        assert verdict["kept"] == json.loads(one.read_text())["kept"]
        assert [each["step"] for each in verdict["averaged"]] == [2, 4]
    # The best is the average of two steps if that is no worse, the final one the last step's.
    for name in ("checkpoint-best", "checkpoint-final"):
        model_file, adapter_file = f"{name}/model.safetensors", f"{name}/adapter_model.safetensors"
        same_weights(tmp_path / "all", alone / "all", model_file, 1e-3)
        same_weights(tmp_path / "lora", alone / "lora", adapter_file, 1e-3)
        same_weights(tmp_path / "resumed", tmp_path / "all", model_file, 0.0)


def losses(folder: Path) -> list[float]:
    lines = (folder / "tiny" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines if "loss" in json.loads(line)]


def same_weights(one: Path, other: Path, name: str, tolerance: float) -> None:
    """Hold the weights of two runs to each other.

    Adam divides by the gradient's size, so where that is all but nothing rounding decides a step.
    """
    found, expected = (load_file(p / "tiny" / name) for p in (one, other))
    assert found.keys() == expected.keys()
    for key in expected:
        assert found[key].dtype == torch.float32
        difference = (found[key] - expected[key]).abs()
        assert difference.mean() <= tolerance * 0.1, key
        assert difference.max() <= tolerance * 2, key


TWO = {"RANK": "0", "WORLD_SIZE": "2"}


@pytest.mark.parametrize(
    ("environment", "sharing"),
    [
        ({}, "one process"),
        (TWO, "DDP"),
        ({"RANK": "0", "WORLD_SIZE": "1"}, "one process"),
        ({**TWO, "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, "FSDP2"),
    ],
)
def test_the_launchers_wish_is_read(environment: dict[str, str], sharing: str) -> None:
    assert sharing_asked_for(environment) == sharing


@needs_deepspeed
def test_the_stage_is_read_from_a_deepspeed_file_too(tmp_path: Path) -> None:
    wish = {**TWO, "ACCELERATE_USE_DEEPSPEED": "true"}
    assert sharing_asked_for({**wish, "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}) == "ZeRO 3"
    file = tmp_path / "deepspeed.json"
    file.write_text(json.dumps({"zero_optimization": {"stage": 1}}))
    wish["ACCELERATE_DEEPSPEED_CONFIG_FILE"] = str(file)
    assert sharing_asked_for(wish) == "ZeRO 1"
    file.write_text(json.dumps({"zero_optimization": {"stage": 0}}))
    with pytest.raises(UserError, match=r"ZeRO stage 0 \(zero_optimization of .*\); expected"):
        sharing_asked_for(wish)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "OMPI_COMM_WORLD_SIZE=2: this is one of several"),
        ({"SLURM_STEP_NUM_TASKS": "4"}, "SLURM_STEP_NUM_TASKS=4: this is one of several"),
        ({**TWO, "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "only FSDP2 is supported"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, "FSDP2 was asked for, and"),
        (
            {
                **TWO,
                "ACCELERATE_USE_FSDP": "true",
                "FSDP_VERSION": "2",
                "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
            },
            "would load the model on one process only",
        ),
    ],
)
def test_what_cannot_run_as_asked_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sharing_asked_for(environment)


def test_a_launcher_that_starts_one_process_of_two_is_found_out(
    tiny_model: Path, speech_manifest: Path, repository: Path, tmp_path: Path
) -> None:
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes=2"]
    command = [*launcher, "finetune.py", *flags(tiny_model, speech_manifest, batch=2)]
    clean = {k: v for k, v in os.environ.items() if k not in ("MASTER_ADDR", "MASTER_PORT")}
    done = subprocess.run(
        [*command, f"--output_dir={tmp_path / 'output'}"],
        cwd=repository,
        env=clean,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert "error: `accelerate launch` was asked for several processes and started one" in (
        done.stderr
    )
    assert "configs/accelerate/ddp.yaml" in done.stderr
    assert not (tmp_path / "output").exists()


def test_a_run_that_is_not_what_was_asked_for_fails() -> None:
    with pytest.raises(UserError, match="with FSDP2 were asked for, and 1 with one process would"):
        expect_sharing(torch.nn.Linear(2, 2), "FSDP2")
    expect_sharing(torch.nn.Linear(2, 2), "one process")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"adapter": "adalora"}, "--adapter=adalora moves its ranks by whole gradients"),
        ({"use_4bit": True}, "--use_4bit=True holds weights"),
        ({"keep_mode": "distill"}, "--keep_mode=distill asks the base model"),
        ({"optim": "adamw_8bit"}, "--optim=adamw_8bit does not work with ZeRO 2"),
        ({"auto_batch": True, "batch_seconds": 9.0}, "must compute in step"),
    ],
)
def test_what_a_sharded_model_cannot_do_is_refused(more: dict[str, object], message: str) -> None:
    settings = LoraSettings(**more)  # type: ignore[arg-type]
    refuse_unshardable("DDP", settings)
    with pytest.raises(UserError, match=message):
        refuse_unshardable("ZeRO 2", settings)
