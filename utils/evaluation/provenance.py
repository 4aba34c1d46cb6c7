"""When, by which command and with which versions results were made.

All of it stands in one object of results.json, `made`: two runs of one command differ there and in
the `cost` of their scores, and nowhere else.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

LIBRARIES = ("torch", "transformers", "peft", "ctranslate2", "onnxruntime", "numpy", "opencc")
# What continuous integration calls the commit that it runs on; its checkout may be shallow.
_COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA")
_GIT_SECONDS = 5.0
_SHORT = 12


def provenance(script: str, argv: Sequence[str], *, processes: int = 1) -> dict[str, Any]:
    """Return what `made` holds: `date`, `command`, `commit`, `processes`, `versions`.

    Args:
        script: Name of the script.
        argv: Its arguments, as they were given.
        processes: How many processes worked together.
    """
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": f"python {script} {shlex.join(argv)}".rstrip(),
        "commit": _commit(),
        "processes": processes,
        "versions": {"python": platform.python_version(), **_versions()},
    }


def describe_provenance(made: Mapping[str, Any]) -> list[str]:
    """Return a line of what is stated for each of: date and commit, versions, command."""
    date = str(made.get("date") or "").replace("T", " ").replace("Z", " UTC")
    first = [f"made {date}"] if date else []
    if made.get("commit"):
        first.append(f"at commit {made['commit'][:_SHORT]}")
    if (made.get("processes") or 1) > 1:
        first.append(f"by {made['processes']} processes")
    versions = ", ".join(f"{name} {number}" for name, number in made.get("versions", {}).items())
    return [line for line in (", ".join(first), versions, made.get("command")) if line]


def _commit() -> str | None:
    """Return the commit of the current folder; None where git does not know one."""
    for name in _COMMITS:
        if os.environ.get(name):
            return os.environ[name]
    with suppress(OSError, subprocess.SubprocessError):
        asked = ("git", "rev-parse", "HEAD")
        done = subprocess.run(
            asked, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
        return done.stdout.strip() or None
    return None


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
