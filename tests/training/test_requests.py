"""What is asked for and cannot be given ends in one error that names the flag, with exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import finetune
import utils.training.run  # noqa: F401 (what it imports finds the library whole)
from utils.cli.errors import UserError, run_script
from utils.training.requests import (
    expect_optimizer,
    expect_precision,
    refuse_what_is_not_there,
)
from utils.training.settings.runs import LoraSettings


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ACCELERATE_MIXED_PRECISION": "bf16"}, r"--mixed_precision=bf16, and this run"),
        ({"ACCELERATE_MIXED_PRECISION": "fp8"}, r"--mixed_precision=fp8, and this run"),
        ({"ACCELERATE_DYNAMO_BACKEND": "INDUCTOR"}, r"--dynamo_backend=INDUCTOR"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "Megatron-LM, which is not supported"),
        ({"ACCELERATE_USE_PARALLELISM_CONFIG": "true"}, "not supported"),
        (
            {"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"},
            "asked for 4 where --gradient_accumulation_steps=1",
        ),
        ({"ACCELERATE_GRADIENT_CLIPPING": "0.5"}, "asked for 0.5 where --max_grad_norm=1"),
    ],
)
def test_a_launchers_wish_that_would_be_dropped_is_refused(
    environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match=message):
        refuse_what_is_not_there(LoraSettings(), environment)


def test_wishes_that_agree_with_the_flags_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    environment = {
        "ACCELERATE_MIXED_PRECISION": "bf16",
        "ACCELERATE_DYNAMO_BACKEND": "NO",
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4",
        "ACCELERATE_GRADIENT_CLIPPING": "auto",
    }
    settings = LoraSettings(bf16=True, gradient_accumulation_steps=4)
    refuse_what_is_not_there(settings, environment)
    refuse_what_is_not_there(LoraSettings(), {})


@pytest.mark.parametrize("flag", ["--use_8bit=True", "--use_4bit=True", "--optim=adamw_8bit"])
@pytest.mark.parametrize("way", ["missing", "broken"])
def test_a_library_that_is_missing_or_broken_is_named_with_its_flag(
    flag: str,
    way: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if way == "missing":
        monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    else:
        for name in [n for n in sys.modules if n.split(".")[0] == "bitsandbytes"]:
            monkeypatch.delitem(sys.modules, name)
        (tmp_path / "bitsandbytes.py").write_text("raise RuntimeError('no driver')")
        monkeypatch.syspath_prepend(str(tmp_path))
    assert run_script(lambda _: finetune.main([flag])) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {flag} needs bitsandbytes, which ")
    assert ("no driver" in said) == (way == "broken")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has float16")
def test_fp16_without_a_gpu_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script(lambda _: finetune.main(["--fp16=True"])) == 2
    assert capsys.readouterr().err.startswith("error: --fp16=True needs an NVIDIA GPU")


def test_a_format_or_an_optimizer_that_fell_back_is_found_out() -> None:
    arguments = SimpleNamespace(fp16=False, bf16=True, optim="adamw_bnb_8bit")
    with pytest.raises(UserError, match=r"--bf16=True was asked for, and accelerate would"):
        expect_precision(SimpleNamespace(mixed_precision="no"), arguments)
    expect_precision(SimpleNamespace(mixed_precision="bf16"), arguments)
    optimizer = torch.optim.AdamW(torch.nn.Linear(2, 2).parameters())
    with pytest.raises(UserError, match=r"--optim=adamw_8bit was asked for, and AdamW would"):
        expect_optimizer(optimizer, arguments)


COMPILE = """
import torch
from utils.cli.errors import UserError
from utils.model.compilation import check_compiler
try:
    check_compiler(torch.device("cpu"))
except UserError as error:
    print(error.message)
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"TORCH_COMPILE_DISABLE": "1"},
        {"TORCHDYNAMO_DISABLE": "1"},
        {"TORCHDYNAMO_SUPPRESS_ERRORS": "1", "CXX": "/no/such/compiler"},
        {"CXX": "/no/such/compiler"},
    ],
)
def test_layers_that_would_run_uncompiled_are_refused(
    environment: dict[str, str], repository: Path, tmp_path: Path
) -> None:
    cache = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE],
        cwd=repository,
        env={**os.environ, **cache, **environment},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("--use_compile=True: torch.compile "), done.stderr[-500:]
