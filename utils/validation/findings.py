"""What validation reports about a manifest: findings, and a summary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from utils.audio.clip import Seconds
from utils.audio.probe import AudioFacts, UnreadableAudio
from utils.manifest.utterance import Utterance

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
ProbeResult = AudioFacts | UnreadableAudio


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
    """What a manifest holds; durations are of what can be read.

    They are measured, or, where no audio was decoded, those that the manifest states.
    """

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
    """An utterance with its place and what decoding its audio gave; None if it was not decoded."""

    manifest: Path
    number: int
    utterance: Utterance
    probed: ProbeResult | None

    def finding(self, severity: Severity, kind: str, message: str, weight: float = 0.0) -> Finding:
        """Return something found in this line."""
        name = self.utterance.id
        return Finding(severity, kind, self.manifest, self.number, name, message, weight)

    @property
    def place(self) -> str:
        """Where the line stands, in words."""
        return f"{self.manifest} line {self.number}"


Inspector = Callable[[Sequence[Line]], Iterable[Finding]]
"""A look at lines with more than this layer has: a voice detector, a tokenizer, a model."""


def worst_of_each_kind(
    findings: Iterable[Finding], most: int
) -> dict[tuple[Severity, str], tuple[int, list[Finding]]]:
    """Choose the findings that are shown.

    Args:
        findings: any number; they are walked through once.
        most: how many of each kind; -1 for all.

    Returns:
        For each severity and kind, errors first, how many there are, and the worst of them.
    """
    counts: Counter[tuple[Severity, str]] = Counter()
    kept: dict[tuple[Severity, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        kind = finding.severity, finding.kind
        counts[kind] += 1
        kept[kind].append(finding)
        if 0 <= 2 * most + _FEW < len(kept[kind]):
            kept[kind] = _worst(kept[kind], most)
    kinds = sorted(counts, key=lambda each: (SEVERITIES.index(each[0]), each[1]))
    return {kind: (counts[kind], _worst(kept[kind], most)) for kind in kinds}


_FEW = 100


def _worst(findings: list[Finding], most: int) -> list[Finding]:
    # Sorting keeps the order of what is equally bad.
    ordered = sorted(findings, key=lambda each: -each.weight)
    return ordered if most < 0 else ordered[:most]
