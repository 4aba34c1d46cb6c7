"""All that was found in some manifests; what is large stays on disk, and is read when asked for."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np

from utils.manifest.read import Manifest
from utils.validation.findings import Finding, Line, Summary
from utils.validation.journal import finding_of, plain_form
from utils.validation.records import probe_result_of

# More findings than this stay on disk.
FEW_FINDINGS = 100_000


@dataclass(frozen=True)
class Diagnosis:
    """All that was found in some manifests, and the lines that could be read."""

    summaries: Sequence[Summary]
    findings: Sequence[Finding]
    lines: LineRecords

    @property
    def exit_code(self) -> int:
        """0 for nothing to fix, 1 for warnings, 2 for errors."""
        severities = {finding.severity for finding in self.findings}
        return 2 if "error" in severities else 1 if "warning" in severities else 0


@dataclass(frozen=True, eq=False)
class LineRecords(Sequence[Line]):
    """The lines of all manifests, one after another.

    Attributes:
        manifests: with the lines that were looked at.
        records: what is known of each, `records.RECORD` (N,), mapped from disk.
        fingerprints: of their sounds, `fingerprint.FINGERPRINT` (N,), mapped from disk.
        owner: whoever removes those files, once nobody holds them.
    """

    manifests: Sequence[Manifest]
    records: np.ndarray
    fingerprints: np.ndarray
    owner: Any = None
    starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Find where each manifest begins."""
        self.starts.append(0)
        for manifest in self.manifests:
            self.starts.append(self.starts[-1] + len(manifest))

    def __len__(self) -> int:
        return self.starts[-1]

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> list[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | list[Line]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        manifest = self.manifests[number := self.manifest_of(place)]
        return self._line(manifest, place - self.starts[number], place)

    def __iter__(self) -> Iterator[Line]:
        for number in range(len(self.manifests)):
            yield from self.of(number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LineRecords) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def of(self, number: int) -> Iterator[Line]:
        """Yield the lines of one manifest."""
        manifest, start = self.manifests[number], self.starts[number]
        pairs = zip(manifest.lines, manifest, strict=True)
        for place, (line, utterance) in enumerate(pairs, start):
            probed = probe_result_of(self.records[place], self.fingerprints[place])
            yield Line(manifest.path, line, utterance, probed)

    def manifest_of(self, place: int) -> int:
        """Return the number of the manifest in which a line stands."""
        return int(np.searchsorted(self.starts, place, side="right")) - 1

    def find(self, manifest: Path, number: int) -> Line | None:
        """Return a line by its number in its file; None for one that cannot be used."""
        for each, start in zip(self.manifests, self.starts, strict=False):
            if each.path == manifest:
                place = bisect_left(each.lines, number)
                if place < len(each) and each.lines[place] == number:
                    return self._line(each, place, start + place)
        return None

    def _line(self, manifest: Manifest, index: int, place: int) -> Line:
        probed = probe_result_of(self.records[place], self.fingerprints[place])
        return Line(manifest.path, manifest.lines[index], manifest[index], probed)


class LazyFindings(Sequence[Finding]):
    """Findings in a file.

    Args:
        path: the file, which `write_findings` made.
        places: where each begins in bytes.
        owner: whoever removes the file, once nobody holds it.
    """

    def __init__(self, path: Path, places: array[int], owner: Any = None) -> None:
        self._path = path
        self._owner = owner
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> list[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | list[Finding]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        with open(self._path, "rb") as file:
            file.seek(self._places[index])
            return finding_of(json.loads(file.readline()))

    def __iter__(self) -> Iterator[Finding]:
        with open(self._path, "rb") as file:
            for line in file:
                yield finding_of(json.loads(line))


def write_findings(path: Path, findings: Iterable[Finding], owner: Any = None) -> Sequence[Finding]:
    """Write findings to a file, and return them: as a list where they are few.

    Args:
        path: the file.
        findings: walked through once.
        owner: of the file.
    """
    places = array("Q")
    with open(path, "wb") as file:
        for found in findings:
            places.append(file.tell())
            line = json.dumps(plain_form(found), ensure_ascii=False)
            file.write(line.encode("utf-8") + b"\n")
    stored = LazyFindings(path, places, owner)
    return list(stored) if len(stored) < FEW_FINDINGS else stored
