"""What the doctor found, in words for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from utils.cli.console import say
from utils.manifest.findings import SEVERITIES, Diagnosis, Finding, Summary
from utils.report.layout import text_table

HEADER = (
    *("manifest", "lines", "usable", "hours", "shortest", "median", "longest"),
    *("speakers", "texts", "no speech"),
)


def tell(diagnosis: Diagnosis, examples: int) -> None:
    """Print all that was found.

    Args:
        diagnosis: what was found.
        examples: how many lines of each kind of finding are shown, the worst first; -1 for all.
    """
    say(text_table(HEADER, summary_rows(diagnosis.summaries)))
    say()
    for each in diagnosis.summaries:
        say(
            f"{each.manifest}: languages {_counts(each.languages)}; "
            f"sampling rates {_counts(each.sampling_rates)}; channels {_counts(each.channels)}"
        )
    _tell_findings(diagnosis.findings, examples)
    say("\n" + verdict(diagnosis))


def summary_rows(summaries: Sequence[Summary]) -> list[list[str]]:
    """Return the cells under `HEADER`, a row for each manifest."""
    return [
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


def verdict(diagnosis: Diagnosis) -> str:
    """Return how much was found, in one line."""
    counts = [
        (severity, sum(each.severity == severity for each in diagnosis.findings))
        for severity in SEVERITIES
    ]
    found = [f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts if count]
    return ", ".join(found) if found else "nothing found to mend"


def _tell_findings(findings: Iterable[Finding], examples: int) -> None:
    """Print the findings by severity and kind: how many, and the worst of each."""

    def kind_of(finding: Finding) -> tuple[int, str]:
        return SEVERITIES.index(finding.severity), finding.kind

    for (severity, kind), group in groupby(sorted(findings, key=kind_of), key=kind_of):
        found = sorted(group, key=lambda each: -each.weight)
        say(f"\n{SEVERITIES[severity]}: {kind}: {len(found)}")
        shown = found if examples < 0 else found[:examples]
        for each in shown:
            name = f" ({each.id})" if each.id else ""
            place = f" line {each.line}" if each.line else ""
            say(f"  {each.manifest}{place}{name}: {each.message}")
        if len(shown) < len(found):
            say(f"  ... and {len(found) - len(shown)} more; --examples=-1 shows all")


def _counts(counts: Mapping[str, int] | Mapping[int, int]) -> str:
    """Write counts as "zh 320, en 4", the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return ", ".join(f"{value} ({count})" for value, count in ordered) or "none"
