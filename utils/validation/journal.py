"""A check's records and findings on disk, written as they become known.

A check that is killed loses at most the lines that were being checked: the next one with the same
manifests and settings reads here how far it came. What follows the last whole entry is cut off.
"""

from __future__ import annotations

import json
import os
import shutil
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from utils.audio.fingerprint import FINGERPRINT
from utils.manifest.duplicates import open_array
from utils.validation.findings import Finding
from utils.validation.records import RECORD, CheckedLines

# Files of what is known; "done" says how far each goes.
KNOWN = ("records", "fingerprints", "findings")


class CheckJournal:
    """What is known so far.

    Args:
        folder: its files; it is made where it is not there.
        lock: held by whoever writes there.
        keep: let it be there for another process, should this one end before all is done.

    Attributes:
        lines_done: lines that need not be looked at again.
        languages: how many lines are in which language, by manifest.
    """

    def __init__(self, folder: Path, lock: FileLock | None = None, *, keep: bool = True) -> None:
        self.folder = folder
        self._lock = lock
        folder.mkdir(parents=True, exist_ok=True)
        if not keep:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.lines_done = 0
        self.languages: dict[int, Counter[str]] = {}
        self._sizes = dict.fromkeys((*KNOWN, "done"), 0)
        self._read_done()
        for name, size in self._sizes.items():
            with open(self._path(name), "ab") as file:
                file.truncate(size)
        self._files = {name: open(self._path(name), "ab") for name in self._sizes}  # noqa: SIM115

    def add(self, manifest: int, checked: CheckedLines) -> None:
        """Write what was found in the next lines; it outlives this process when this returns.

        Args:
            manifest: its number.
            checked: the findings must be in the order of the lines.
        """
        findings = b"".join(
            json.dumps([rank, plain_form(found)], ensure_ascii=False).encode("utf-8") + b"\n"
            for rank, found in checked.findings
        )
        self._write("records", checked.records.tobytes())
        self._write("fingerprints", checked.fingerprints.tobytes())
        self._write("findings", findings)
        self.lines_done += len(checked.records)
        self.languages.setdefault(manifest, Counter()).update(checked.languages)
        sizes = [self._sizes[name] for name in KNOWN]
        entry = [self.lines_done, sizes, manifest, checked.languages]
        self._write("done", json.dumps(entry, ensure_ascii=False).encode("utf-8") + b"\n")

    def records(self) -> np.ndarray:
        """Map the records, `RECORD` (lines_done,)."""
        return open_array(self._path("records"), RECORD)

    def fingerprints(self) -> np.ndarray:
        """Map the fingerprints of the sounds, `FINGERPRINT` (lines_done,)."""
        return open_array(self._path("fingerprints"), FINGERPRINT)

    def findings(self, manifest: Path) -> Iterator[tuple[int, int, Finding]]:
        """Yield line, rank and finding of a manifest, in the order of the lines."""
        with open(self._path("findings"), "rb") as file:
            for line in file:
                rank, plain = json.loads(line)
                found = finding_of(plain)
                if found.manifest == manifest:
                    yield found.line, rank, found

    def close(self) -> None:
        """Close the files, which stay, and let others go on with them."""
        self._close_files()
        if self._lock is not None:
            self._lock.release()

    def finish(self) -> None:
        """Remove everything, once nobody holds this journal: all that it knows was made use of."""
        self._close_files()
        weakref.finalize(self, _remove, self.folder, self._lock)

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _write(self, name: str, content: bytes) -> None:
        file = self._files[name]
        file.write(content)
        file.flush()
        self._sizes[name] += len(content)

    def _read_done(self) -> None:
        """Read how far an earlier check came."""
        try:
            content = self._path("done").read_bytes()
        except FileNotFoundError:
            return
        there = [_size(self._path(name)) for name in KNOWN]
        for line in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
            lines_done, sizes, manifest, languages = json.loads(line)
            if any(size > most for size, most in zip(sizes, there, strict=True)):
                return  # the system lost what it had not written when it stopped
            self.lines_done = lines_done
            self.languages.setdefault(manifest, Counter()).update(languages)
            done = self._sizes["done"] + len(line)
            self._sizes = {**dict(zip(KNOWN, sizes, strict=True)), "done": done}


def _remove(folder: Path, lock: FileLock | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        lock.release()


def _size(path: Path) -> int:
    return os.path.getsize(path) if path.is_file() else 0


def plain_form(found: Finding) -> list[Any]:
    """Return a finding as JSON values."""
    return [
        *(found.severity, found.kind, str(found.manifest)),
        *(found.line, found.id, found.message, float(found.weight)),
    ]


def finding_of(plain: Sequence[Any]) -> Finding:
    """Return the finding of a `plain_form`."""
    severity, kind, manifest, line, name, message, weight = plain
    return Finding(severity, kind, Path(manifest), line, name, message, weight)
