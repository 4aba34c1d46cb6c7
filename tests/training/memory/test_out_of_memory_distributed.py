"""A process that runs out of memory cuts its part smaller, and the others need not know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import free_port
from tests.test_launchers import curve, launch, training_flags

pytestmark = pytest.mark.timeout(600)

# The second process computes one example at once; said by a model that refuses more.
LIMITED = """
import sys

import torch

import finetune
from utils.cli.console import process_rank
from utils.cli.errors import exit_script, run_script
from utils.model.audio_context.encoder import FlexibleWhisper

forward = FlexibleWhisper.forward


def limited(self, *args, **kwargs):
    features = kwargs.get("input_features")
    if self.training and process_rank() == 1 and features is not None and len(features) > 1:
        WHERE
    return forward(self, *args, **kwargs)


def run_out(*_):
    raise torch.OutOfMemoryError("said by the test")


FlexibleWhisper.forward = limited
exit_script(run_script(finetune.main))
"""
IN_FORWARD = "run_out()"
IN_BACKWARD = "self.model.encoder.layers[1].register_full_backward_hook(run_out)"


def script(folder: Path, repository: Path, where: str) -> str:
    path = folder / "limited.py"
    line = f"import sys; sys.path.insert(0, {str(repository)!r})\n"
    path.write_text(line + LIMITED.replace("WHERE", where), encoding="utf-8")
    return str(path)


def test_processes_that_cut_differently_learn_the_same(
    tiny_model: Path, speech_manifest: Path, repository: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    flags = training_flags(tiny_model, speech_manifest, one, 8)
    launch("one", repository, "finetune.py", flags)
    flags = training_flags(tiny_model, speech_manifest, two, 4)
    launch("two", repository, script(tmp_path, repository, IN_FORWARD), flags)
    assert curve(two / "tiny") == pytest.approx(curve(one / "tiny"), rel=1e-4)


def test_memory_that_runs_out_amid_the_exchange_ends_the_run_with_what_to_do(
    tiny_model: Path, speech_manifest: Path, repository: Path, tmp_path: Path
) -> None:
    flags = training_flags(tiny_model, speech_manifest, tmp_path, 4)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    address = ["--master_addr=127.0.0.1", f"--master_port={free_port()}"]
    command = [*launcher, *address, script(tmp_path, repository, IN_BACKWARD), *flags]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=500)
    assert done.returncode != 0
    assert "out of memory while the processes exchange gradients" in done.stderr
    assert "--resume_from_checkpoint=auto" in done.stderr
