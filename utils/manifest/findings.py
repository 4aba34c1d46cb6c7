"""What the doctor can say of a manifest: findings, and a summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from utils.manifest.probe import AudioFacts, Unheard
from utils.manifest.utterance import Seconds, Utterance

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
Heard = AudioFacts | Unheard


@dataclass(frozen=True)
class Finding:
    """Something found in a line of a manifest; `id` is empty where the line has none.

    `weight` orders findings of one kind: the larger, the worse.
    """

    severity: Severity
    kind: str
    manifest: Path
    line: int
    id: str
    message: str
    weight: float = 0.0


@dataclass(frozen=True)
class Summary:
    """What a manifest holds; durations are measured ones, of what can be read."""

    manifest: Path
    lines: int
    usable: int
    seconds: Seconds
    shortest: Seconds
    median: Seconds
    longest: Seconds
    speakers: int
    distinct_texts: int
    no_speech: int
    languages: Mapping[str, int]
    sampling_rates: Mapping[int, int]
    channels: Mapping[int, int]


@dataclass(frozen=True)
class Line:
    """An utterance with its place and what was heard."""

    manifest: Path
    number: int
    utterance: Utterance
    heard: Heard

    def finding(self, severity: Severity, kind: str, message: str, weight: float = 0.0) -> Finding:
        """Return something found in this line."""
        name = self.utterance.id
        return Finding(severity, kind, self.manifest, self.number, name, message, weight)

    @property
    def place(self) -> str:
        """Where the line stands, in words."""
        return f"{self.manifest} line {self.number}"


@dataclass(frozen=True)
class Diagnosis:
    """All that was found in some manifests, and the lines that could be read."""

    summaries: Sequence[Summary]
    findings: Sequence[Finding]
    lines: Sequence[Line] = ()

    @property
    def exit_code(self) -> int:
        """0 for nothing to mend, 1 for warnings, 2 for errors."""
        severities = {finding.severity for finding in self.findings}
        return 2 if "error" in severities else 1 if "warning" in severities else 0


Inspector = Callable[[Sequence[Line]], Iterable[Finding]]
"""A look at all lines with more than this layer has: a voice detector, a tokenizer, a model."""
