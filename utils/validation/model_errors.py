"""What a model's errors on a manifest show: wrong transcripts, or a model that is no judge of them.

A model that was given transcribes every line; here all of them are seen together. Where it
contradicts most transcripts, it says nothing of any single one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from utils.manifest.languages import LANGUAGES
from utils.validation.findings import Finding, Line
from utils.validation.records import LISTED

HEARD, CONTRADICTED = "heard by the model", "contradicted by the model"
NO_JUDGE = "the model contradicts most lines"
# A model that contradicts a larger share of the lines is no judge of any.
MOST = 0.5

Told = Iterator[tuple[int, int, Finding]]
"""Line, rank and finding, in the order of the lines."""


def heard(line: Line, edits: int, tokens: int) -> Finding:
    """Return how a transcript differs from what a model heard: nothing that is told as it is.

    Args:
        line: whose transcript it is.
        edits: between both.
        tokens: of the transcript.
    """
    return line.finding("note", HEARD, f"{edits} {tokens} {line.utterance.language or ''}")


def judged(findings: Callable[[], Told], manifest: Path) -> Told:
    """Put what a model heard in all lines of a manifest in the place of what it heard in each.

    Its errors are looked at by language: it may know one and not the other.

    Args:
        findings: yields those of the manifest, as often as it is asked.
        manifest: its path.
    """
    errors: dict[str, _Errors] = defaultdict(_Errors)
    language = ""
    for _, _, found in findings():
        if found.kind == HEARD:  # before what contradicts the same line
            edits, tokens, language = found.message.split(" ")
            errors[language].add(int(edits), int(tokens))
        elif found.kind == CONTRADICTED:
            errors[language].contradicted += 1
    for name, each in sorted(errors.items()):
        if each.is_no_judge:
            message = each.told(name)
            yield 0, LISTED, Finding("warning", NO_JUDGE, manifest, 0, "", message, each.rate)
    for line, rank, found in findings():
        if found.kind == HEARD:
            language = found.message.split(" ")[2]
        elif found.kind != CONTRADICTED or not errors[language].is_no_judge:
            yield line, rank, found


@dataclass
class _Errors:
    """A model's errors on the lines of one language, and how many of these it contradicts."""

    lines: int = 0
    contradicted: int = 0
    edits: int = 0
    tokens: int = 0

    def add(self, edits: int, tokens: int) -> None:
        self.lines += 1
        self.edits += edits
        self.tokens += tokens

    @property
    def rate(self) -> float:
        return self.edits / max(1, self.tokens)

    @property
    def is_no_judge(self) -> bool:
        return self.contradicted > MOST * self.lines

    def told(self, language: str) -> str:
        of = f" in {LANGUAGES[language].title()}" if language in LANGUAGES else ""
        return (
            f"it contradicts {self.contradicted} of {self.lines} lines{of} (error rate "
            f"{self.rate:.0%}), so none is named: either it does not know this speech (give "
            "--language, or another --model_path), or most transcripts belong to other lines"
        )
