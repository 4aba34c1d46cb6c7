"""What can be set about a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from utils.cli.errors import UserError

KNOWN_FORMS = ("html", "summary", "comment", "junit", "card")


@dataclass(frozen=True)
class ReportSettings:
    """Which results are shown, and how."""

    results: list[str] | str = "output/evaluation/results.json"
    """Results files that evaluation.py wrote, parted by commas; their models and
    sets are put together."""
    before: str | None = None
    """Earlier results of the same test sets, to explain what has changed since."""
    output_dir: str | None = None
    """Folder for the reports; None: that of the first results file."""
    forms: list[str] = field(default_factory=lambda: list(KNOWN_FORMS))
    """What is made: html, summary, comment, junit, card, parted by commas."""
    title: str = "Evaluation"
    """Title of the reports."""
    embed_mb: float = 4.0
    """Put sound into the page until it is this many MiB, the worst utterances first; the rest is
    played from where it lies."""
    loudness: bool | None = None
    """Measure how loud each utterance is, which decodes all sound; None: for at most 1000."""

    def __post_init__(self) -> None:
        for form in self.forms:
            if form not in KNOWN_FORMS:
                raise UserError(f"--forms has {form!r}", f"The forms are {', '.join(KNOWN_FORMS)}.")
        if not self.files:
            raise UserError("--results names no file", "Give what evaluation.py wrote.")
        if self.embed_mb < 0:
            raise UserError(f"--embed_mb={self.embed_mb:g}: expected 0 or more")

    @property
    def files(self) -> tuple[str, ...]:
        """The results files; the default is one path, not a list."""
        return (self.results,) if isinstance(self.results, str) else tuple(self.results)

    @property
    def folder(self) -> Path:
        """Where the reports go."""
        return Path(self.output_dir or Path(self.files[0]).parent)
