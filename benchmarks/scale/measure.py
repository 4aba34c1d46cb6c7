"""One measurement in this process.

    python -m benchmarks.scale.measure check lines.jsonl 2

Prints one JSON object: seconds on the clock, seconds of processors (this process and those that it
started), and the most memory that they held at one time.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

SECONDS_BETWEEN_LOOKS = 0.05


class MemoryWatch(threading.Thread):
    """Looks again and again how much memory this process and its children hold.

    Attributes:
        own: most bytes that this process held and no file backs (anonymous memory).
        all: the same of it and its children together.
        resident: most bytes of this process that lay in memory, mapped files included.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.own = self.all = self.resident = 0
        self._done = threading.Event()
        self._process = psutil.Process()

    def run(self) -> None:
        """Look until `stop`."""
        while not self._done.wait(SECONDS_BETWEEN_LOOKS):
            self.look()

    def look(self) -> None:
        """Look once."""
        own, resident = _held_by(self._process)
        children = 0
        for child in self._process.children(recursive=True):
            try:
                children += _held_by(child)[0]
            except psutil.NoSuchProcess:
                continue
        self.own, self.resident = max(self.own, own), max(self.resident, resident)
        self.all = max(self.all, own + children)

    def stop(self) -> None:
        """Look a last time."""
        self._done.set()
        self.join()
        self.look()


def _held_by(process: psutil.Process) -> tuple[int, int]:
    memory = process.memory_info()
    return memory.rss - memory.shared, memory.rss


def main() -> None:
    """Measure what is asked for."""
    what, manifest, workers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    work = WORK[what]
    watch = MemoryWatch()
    watch.look()
    before = watch.own
    watch.start()
    began, worked = time.perf_counter(), _processor_seconds()
    found = work(manifest, workers)
    took, worked = time.perf_counter() - began, _processor_seconds() - worked
    watch.stop()
    measured = {
        "seconds": took,
        "processor_seconds": worked,
        "own_bytes_before": before,
        "own_bytes": watch.own,
        "all_own_bytes": watch.all,
        "resident_bytes": watch.resident,
        **found,
    }
    print(json.dumps(measured))


def _processor_seconds() -> float:
    import resource  # Windows has none

    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _open(manifest: Path, workers: int) -> dict[str, Any]:
    from utils.manifest.read import read_manifest

    return {"lines": len(read_manifest(manifest))}


def _walk(manifest: Path, workers: int) -> dict[str, Any]:
    from utils.manifest.read import read_manifest

    lines = read_manifest(manifest)
    return {"lines": len(lines), "characters": sum(len(each.sentence) for each in lines)}


def _check(manifest: Path, workers: int) -> dict[str, Any]:
    return _checked(manifest, workers, listen=False)


def _listen(manifest: Path, workers: int) -> dict[str, Any]:
    found = _checked(manifest, workers, listen=True)
    return {**found, "bytes_of_files": _size_of_sounds(manifest)}


def _checked(manifest: Path, workers: int, *, listen: bool) -> dict[str, Any]:
    from utils.validation.check import check_manifests
    from utils.validation.records import Look
    from utils.validation.text import perhaps_too_many_tokens

    look = Look(listen, [perhaps_too_many_tokens])
    diagnosis = check_manifests([manifest], workers, [], look=look)
    summary = diagnosis.summaries[0]
    return {
        "lines": summary.lines,
        "findings": len(diagnosis.findings),
        "hours": summary.seconds / 3600,
    }


def _pack(manifest: Path, workers: int) -> dict[str, Any]:
    from utils.sources.pack import PackSettings, pack

    with tempfile.TemporaryDirectory(dir=manifest.parent) as folder:
        prepared = pack(PackSettings(path=str(manifest), output_dir=folder))
    return {
        "lines": sum(prepared.utterances.values()),
        "bytes_of_files": _size_of_sounds(manifest),
    }


def _size_of_sounds(manifest: Path) -> int:
    from utils.manifest.read import read_manifest

    return sum(os.path.getsize(each.audio.path) for each in read_manifest(manifest))


WORK: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "open": _open,
    "walk": _walk,
    "check": _check,
    "listen": _listen,
    "pack": _pack,
}

if __name__ == "__main__":
    main()
