"""What the measuring scripts share: the machine, ratios, and the files in benchmarks/results/."""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from utils.cli.console import say
from utils.cli.errors import Failure, UserError
from utils.cli.files import atomic_write

REPOSITORY = Path(__file__).resolve().parent.parent


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    names = ("torch", "transformers", "accelerate", "tokenizers", "numpy")
    return {
        "processor": _processor(),
        "system": platform.system(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: version(name) for name in names},
    }


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def spread(ratios: Sequence[float]) -> dict[str, float]:
    """Least, middle and largest of the rounds' ratios."""
    return {
        "minimum": min(ratios),
        "median": statistics.median(ratios),
        "maximum": max(ratios),
    }


def timed(command: Sequence[str]) -> dict[str, Any]:
    """Run a command; return it with its seconds, processor seconds and peak memory in bytes.

    Raises:
        Failure: it did not end with exit code 0.
    """
    shown = f"python {shlex.join(command)}"
    say(f"\n{shown}")
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failure(f"{command[0]} ended with exit code {process.returncode}", shown)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return {
        "command": shown,
        "seconds": time.perf_counter() - began,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * unit,
    }


def write_measured(path: str | Path, found: Mapping[str, Any]) -> None:
    """Write measurements as JSON."""
    with atomic_write(path) as file:
        json.dump(found, file, ensure_ascii=False, indent=2)
        file.write("\n")
    say(f"wrote {path}")


def read_measured(path: str | Path) -> dict[str, Any]:
    """Return what `write_measured` wrote.

    Raises:
        UserError: there is no such file.
    """
    if not Path(path).is_file():
        raise UserError(
            f"{path}: no such file", "--table shows what was measured; run without it first."
        )
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found
