"""How long a run takes to its first step, with labels and lengths to make and with kept ones.

The manifest states durations, as one made by custom.py does; its sounds are a few hundred FLAC
files that come again and again. The model is the demo's, with OpenAI's tokenizer where that is at
hand.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.scale.made import write_clips, write_lines
from utils.cli.errors import Failure

SECONDS_BETWEEN_LOOKS = 0.05
PATIENCE_SECONDS = 3600.0
CLIPS, CLIP_SECONDS, DEV_LINES = 400, 1.0, 2
_TOKENIZER = "../shared/models/whisper-tokenizer"


def write_run_data(folder: Path, number: int, seed: int) -> tuple[Path, Path]:
    """Write a manifest of `number` lines with sounds, and a short one for the dev set."""
    written = write_clips(folder, CLIPS, CLIP_SECONDS, seed).read_text(encoding="utf-8")
    clips = [json.loads(line) for line in written.splitlines()]
    texts, train = folder / "texts.jsonl", folder / "train.jsonl"
    write_lines(texts, number, seed)
    with open(texts, encoding="utf-8") as source, open(train, "w", encoding="utf-8") as target:
        for place, line in enumerate(source):
            value = {**json.loads(line), **_sound(clips[place % CLIPS])}
            target.write(json.dumps(value, ensure_ascii=False) + "\n")
    texts.unlink()
    with open(train, encoding="utf-8") as source:
        dev = [next(source) for _ in range(DEV_LINES)]
    (folder / "dev.jsonl").write_text("".join(dev), encoding="utf-8")
    return train, folder / "dev.jsonl"


def _sound(clip: dict[str, Any]) -> dict[str, Any]:
    return {"audio": clip["audio"], "duration": clip["duration"]}


def small_model(folder: Path) -> Path:
    """The demo's model, with OpenAI's tokenizer where it is at hand."""
    model = folder / "model"
    if not model.is_dir():
        shutil.copytree("demo/base", model)
        for file in Path(_TOKENIZER).glob("*"):
            if file.name.startswith(("tokenizer", "vocab", "merges", "added", "special")):
                shutil.copy(file, model)
    return model


def start(train: Path, dev: Path, folder: Path, processes: int) -> dict[str, Any]:
    """Start a run of one step; return when that was done, and what each process held by then.

    Returns:
        `seconds` from the command to the end of the first step, `processor_seconds` of all
        processes until then, and for the largest of them `resident_bytes` (with mapped files) and
        `own_bytes` (without).
    """
    model = small_model(folder)
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    command = [
        *(sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={processes}"),
        *("--standalone", "finetune.py", f"--base_model={model}", f"--train_data={train}"),
        *(f"--dev_data={dev}", f"--output_dir={output}/", "--max_steps=1", "--logging_steps=1"),
        *("--audio_context=dynamic", "--num_workers=0", "--per_device_train_batch_size=2"),
    ]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    said = folder / "said"
    began = time.perf_counter()
    with open(said, "w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        watch = _Watch(psutil.Process(process.pid))
        while not _first_step(output) and process.poll() is None:
            if time.perf_counter() - began > PATIENCE_SECONDS:
                process.terminate()
            watch.look()
            time.sleep(SECONDS_BETWEEN_LOOKS)
        seconds = time.perf_counter() - began
        code = process.wait()
    if code or not _first_step(output):
        raise Failure(f"the run ended with {code}:\n{said.read_text(encoding='utf-8')[-3000:]}")
    return {"processes": processes, "seconds": seconds, **watch.found()}


def _first_step(output: Path) -> bool:
    for file in output.glob("*/metrics.jsonl"):
        lines = file.read_text(encoding="utf-8").splitlines()
        return any("loss" in json.loads(line) for line in lines if line.endswith("}"))
    return False


class _Watch:
    """Looks at the processes that compute."""

    def __init__(self, launcher: psutil.Process) -> None:
        self._launcher = launcher
        self._held: dict[int, tuple[int, int]] = {}
        self._worked: dict[int, float] = {}

    def look(self) -> None:
        """Look once."""
        for child in self._launcher.children(recursive=True):
            try:
                memory, times = child.memory_info(), child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            resident, own = self._held.get(child.pid, (0, 0))
            own = max(own, memory.rss - memory.shared)
            self._held[child.pid] = max(resident, memory.rss), own
            self._worked[child.pid] = times.user + times.system

    def found(self) -> dict[str, Any]:
        """Return the most that one of them held, and what all have worked."""
        return {
            "processor_seconds": sum(self._worked.values()),
            "resident_bytes": max(resident for resident, _ in self._held.values()),
            "own_bytes": max(own for _, own in self._held.values()),
        }
