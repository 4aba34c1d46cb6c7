"""What the measuring scripts share: the machine, ratios, and the files in benchmarks/results/."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from utils.cli.console import say
from utils.cli.errors import UserError
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
