"""With --local_files_only=True no script asks the network for anything, whatever it loads."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any, NoReturn

import huggingface_hub.constants
import pytest

import convert
import evaluation
import finetune
import infer
import merge_lora
from utils.cli.chatter import silence_libraries

NAME, COMMIT = "someone/whisper-tiny", "0" * 40


@pytest.fixture
def asked(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Any, ...]]:
    """A machine on which the hub's cache holds a model; connections that were tried."""
    repository = tmp_path / "hub" / f"models--{NAME.replace('/', '--')}"
    shutil.copytree(tiny_model, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with monkeypatch.context() as begun:
        begun.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
        silence_libraries()  # as every script does before the library reads it
        silent = os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", silent)
    tried: list[tuple[Any, ...]] = []

    def refuse(*address: Any, **_: Any) -> NoReturn:
        tried.append(address)
        raise OSError("there is no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


def test_from_training_to_transcribing_nobody_is_asked(
    asked: list[tuple[Any, ...]], speech_manifest: Path, tmp_path: Path
) -> None:
    run, local = tmp_path / "output" / "whisper-tiny", "--local_files_only=True"
    sets = [f"--train_data={speech_manifest}", f"--dev_data={speech_manifest}", "--num_workers=0"]
    steps = ["--max_steps=1", "--lora_rank=2", "--report_to=none", "--language=en"]
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("Fledermaus\n")
    more = [f"--add_tokens={tokens}", f"--output_dir={run.parent}", f"--base_model={NAME}"]
    finetune.main([*more, *sets, *steps, local])
    adapter = f"--lora_model={run / 'checkpoint-final'}"
    merge_lora.main([adapter, "--alpha=0.5", f"--output_dir={tmp_path / 'models'}", local])
    for model in (run / "checkpoint-final", NAME, tmp_path / "models" / "whisper-tiny-finetune"):
        report = f"--report_dir={tmp_path / 'report' / Path(model).name}"
        evaluation.main([f"--model_path={model}", f"--test_data={speech_manifest}", report, local])
    first = json.loads(speech_manifest.read_text("utf-8").splitlines()[0])
    sound = speech_manifest.parent / first["audio"]["path"]
    place = f"--output_dir={tmp_path / 'texts'}"
    infer.main([f"--audio_path={sound}", f"--model_path={NAME}", place, local])
    data = [f"--data={speech_manifest}", f"--output_dir={tmp_path / 'converted'}", "--clips=1"]
    for number, form in enumerate(("ct2", "onnx")):
        pytest.importorskip({"ct2": "ctranslate2", "onnx": "onnxruntime"}[form])
        model = (NAME, run / "checkpoint-final")[number]
        convert.main([f"--model_path={model}", f"--format={form}", *data, local])
    assert asked == []
