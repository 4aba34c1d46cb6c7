"""Find what is wrong with manifests and their audio before you train on them.

One manifest:  python check_data.py --data=dataset/train.json
All parts:     python check_data.py --data=dataset/train.json,dataset/dev.json,dataset/test.json

Given several, it also finds what is in two of them. Listens to every file, changes nothing. Ends
with exit code 0 where nothing is to be mended, 1 for warnings, 2 for errors.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.console import say
from utils.cli.errors import run_script
from utils.cli.settings import parse_settings

if TYPE_CHECKING:
    from utils.manifest.check import Diagnosis, Finding, Summary

MOST_WORKERS = 8
SEVERITIES = ("error", "warning", "note")
HEADER = (
    *("manifest", "lines", "usable", "hours", "shortest", "median", "longest"),
    *("speakers", "texts", "no speech"),
)


@dataclass(frozen=True)
class Settings:
    """What to look at."""

    data: tuple[str, ...] = ("dataset/train.json",)
    """Manifests, with commas between them; together they are the parts of one data set."""
    num_workers: int | None = None
    """Processes that decode audio; 0 or 1 for none but this one, None for one a core up to 8."""
    examples: int = 3
    """How many lines of each kind of finding are shown; -1 shows all."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the flags, look at everything, tell what was found."""
    settings = parse_settings(Settings, argv, prog="check_data.py", description=__doc__ or "")
    from utils.manifest.check import check_manifests

    num_workers = settings.num_workers
    if num_workers is None:
        num_workers = min(MOST_WORKERS, os.cpu_count() or 1)
    diagnosis = check_manifests([Path(path) for path in settings.data], num_workers)
    _tell_summaries(diagnosis.summaries)
    _tell_findings(diagnosis.findings, settings.examples)
    _tell_verdict(diagnosis)
    return diagnosis.exit_code


def _tell_summaries(summaries: Sequence[Summary]) -> None:
    """Print one line of a table for each manifest, and what the sound is like."""
    from utils.report.layout import text_table

    rows = [
        [
            str(each.manifest),
            str(each.lines),
            str(each.usable),
            f"{each.seconds / 3600:.2f}",
            *(f"{seconds:.2f} s" for seconds in (each.shortest, each.median, each.longest)),
            str(each.speakers),
            str(each.distinct_texts),
            str(each.no_speech),
        ]
        for each in summaries
    ]
    say(text_table(HEADER, rows))
    say()
    for each in summaries:
        say(
            f"{each.manifest}: languages {_counts(each.languages)}; "
            f"sampling rates {_counts(each.sampling_rates)}; channels {_counts(each.channels)}"
        )


def _tell_findings(findings: Iterable[Finding], examples: int) -> None:
    """Print the findings by severity and kind: how many, and the first of each."""

    def kind_of(finding: Finding) -> tuple[int, str]:
        return SEVERITIES.index(finding.severity), finding.kind

    for (severity, kind), group in groupby(sorted(findings, key=kind_of), key=kind_of):
        found = list(group)
        say(f"\n{SEVERITIES[severity]}: {kind}: {len(found)}")
        shown = found if examples < 0 else found[:examples]
        for each in shown:
            name = f" ({each.id})" if each.id else ""
            place = f" line {each.line}" if each.line else ""
            say(f"  {each.manifest}{place}{name}: {each.message}")
        if len(shown) < len(found):
            say(f"  ... and {len(found) - len(shown)} more; --examples=-1 shows all")


def _tell_verdict(diagnosis: Diagnosis) -> None:
    counts = [
        (severity, sum(each.severity == severity for each in diagnosis.findings))
        for severity in SEVERITIES
    ]
    found = [f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts if count]
    say("\n" + (", ".join(found) if found else "nothing found to mend"))


def _counts(counts: Mapping[str, int] | Mapping[int, int]) -> str:
    """Write counts as "zh 320, en 4", the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return ", ".join(f"{value} ({count})" for value, count in ordered) or "none"


if __name__ == "__main__":
    sys.exit(run_script(main))
