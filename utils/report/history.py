"""The rates of earlier runs and of this one, as a trend: each results file is a point in time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cli.console import warn
from utils.cli.errors import UserError
from utils.evaluation.results import Results, read_results, set_of
from utils.evaluation.results_fields import expect_fields
from utils.report.analyses.sections import Section, section_of, table_of
from utils.report.report_data import ReportData
from utils.report.tables import percent, percent_interval, points

FILE = "results.json"
TREND_HEADER = (
    *("test set", "model", "run", "date"),
    *("rate", "95 % interval", "since the run before", "utterances"),
)
TREND_WORDS = 4
TREND_NOTE = (
    "Each results file is a point, in the order of their dates. A rate is followed from run to run "
    "only while the test set, the normalizer and the metric stay the same."
)
_OTHER = "other test set or scoring"
_SHORT = 9  # characters of a commit


@dataclass(frozen=True)
class Point:
    """The score of a model on a test set in one run."""

    run: str
    """Commit where it is known, else the run's folder."""
    date: str
    """ISO 8601, UTC; empty where the results file states none."""
    model: str
    test_set: str
    metric: str
    rate: float | None
    interval: tuple[float, float] | None
    utterances: int
    scoring: tuple[str, ...]
    """What rates must share to be compared: the manifest's hash, the normalizer, the metric."""

    def to_json(self) -> dict[str, Any]:
        """The point as the page draws it."""
        return {
            "run": self.run,
            "date": self.date,
            "model": self.model,
            "set": self.test_set,
            "metric": self.metric,
            "rate": self.rate,
            "interval": self.interval,
            "scoring": " ".join(self.scoring),
        }


def read_history(folder: str | Path, report_data: ReportData) -> list[Point]:
    """Read every results file below a folder, and order their scores by date.

    Args:
        folder: With files called results.json at any depth. A damaged one is named and left out.
        report_data: The results in question; they are the last run unless dated earlier.

    Returns:
        The scores of the models and test sets that `report_data` has, the oldest first.

    Raises:
        UserError: There is no such folder, or no results file that can be used in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(
            f"--history={folder}: no such folder", "Give one that holds earlier results.json files."
        )
    files = sorted(folder.rglob(FILE))
    if not files:
        raise UserError(
            f"--history={folder}: holds no {FILE} at any depth",
            "Keep the --report_dir of each evaluation there, such as one folder a commit.",
        )
    runs = [(path, content) for path in files if (content := _read(path)) is not None]
    if not runs:
        raise UserError(f"--history={folder}: none of its {len(files)} results files can be used")
    known = {os.path.realpath(path) for path, _ in runs}
    runs += [
        (path, read_results(path))
        for path in report_data.paths
        if os.path.realpath(path) not in known
    ]
    # A stable order: files without a date come first, by their path.
    runs.sort(key=lambda run: _date(run[1]))
    shown = {(score["model"], set_of(score)) for score in report_data.results["scores"]}
    found = [point for path, content in runs for point in _points(path, content, shown)]
    if len({each.run for each in found}) < 2:
        warn(f"--history={folder}: no earlier run has a model and test set of these results")
    return found


def trend_rows(trend: Sequence[Point]) -> list[list[str]]:
    """Return the cells under `TREND_HEADER`: each model on each test set, the oldest run first."""
    series: dict[tuple[str, str], list[Point]] = {}
    for each in trend:
        series.setdefault((each.test_set, each.model), []).append(each)
    return [
        [
            point.test_set,
            point.model,
            point.run,
            point.date[:16].replace("T", " "),
            f"{point.metric.upper()} {percent(point.rate)}",
            percent_interval(point.interval),
            _change(before, point),
            str(point.utterances),
        ]
        for each in series.values()
        for before, point in zip([None, *each[:-1]], each, strict=True)
    ]


def trend_section(trend: Sequence[Point]) -> Section | None:
    """Return the trend as an analysis."""
    table = table_of("Error rates over time", TREND_HEADER, trend_rows(trend), words=TREND_WORDS)
    return section_of("Over time", TREND_NOTE, [{**table, "wide": True}])


def _change(before: Point | None, point: Point) -> str:
    if before is None:
        return ""
    if before.scoring != point.scoring:
        return _OTHER
    if before.rate is None or point.rate is None:
        return ""
    return points(point.rate - before.rate)


def _read(path: Path) -> Results | None:
    """Return results that can be used; None for others, which are named."""
    try:
        content = read_results(path)
        expect_fields(path, content)
    except UserError as error:
        warn(f"not part of the trend: {error.message}")
        return None
    return content


def _date(content: Results) -> str:
    return str(content.get("made", {}).get("date", ""))


def _points(path: Path, content: Results, shown: Iterable[tuple[str, str]]) -> Iterable[Point]:
    commit = content.get("made", {}).get("commit")
    run = commit[:_SHORT] if commit else path.resolve().parent.name
    for score in content["scores"]:
        if (score["model"], set_of(score)) in shown:
            yield _point(score, run, _date(content))


def _point(score: Mapping[str, Any], run: str, date: str) -> Point:
    interval = score["interval"]
    return Point(
        run,
        date,
        score["model"],
        set_of(score),
        score["metric"],
        score["rate"],
        None if interval is None else (interval[0], interval[1]),
        score["utterances"],
        (str(score.get("manifest_sha256")), score["normalizer"], score["metric"]),
    )
