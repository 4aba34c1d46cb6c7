"""What can be set about a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from utils.cli.errors import UserError

KNOWN_FORMS = ("html", "markdown", "summary", "comment", "junit", "card")


@dataclass(frozen=True)
class ReportSettings:
    """Settings of a report."""

    results: list[str] | str = "output/evaluation/results.json"
    """Results files that evaluation.py wrote, separated by commas. Their models and test sets are
    combined in one report."""
    baseline: list[str] | str = field(default_factory=list)
    """Names of models, separated by commas. Every other model is compared with them on each test
    set that both were evaluated on. The default keeps the comparisons of the results files."""
    before: str | None = None
    """Earlier results of the same test sets. The report then explains what has changed since."""
    history: str | None = None
    """Folder with the results files of earlier runs, at any depth. The report then shows the rates
    over time, each run a point."""
    output_dir: str | None = None
    """Folder for the reports. None takes the folder of the first results file."""
    forms: list[str] = field(default_factory=lambda: list(KNOWN_FORMS))
    """Reports to write: html, markdown, summary, comment, junit, card, separated by commas."""
    title: str = "Evaluation"
    """Title of the reports."""
    embed_mb: float = 4.0
    """Embed at most this many MiB of audio in the page, the utterances with most errors first. All
    other audio is played from its own file."""
    loudness: bool | None = None
    """Measure the loudness of each utterance. This decodes all audio. None measures it for up to
    1000 utterances."""

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
    def baselines(self) -> tuple[str, ...]:
        """Names of the models to compare with."""
        return (self.baseline,) if isinstance(self.baseline, str) else tuple(self.baseline)

    @property
    def folder(self) -> Path:
        """Where the reports go."""
        return Path(self.output_dir or Path(self.files[0]).parent)
