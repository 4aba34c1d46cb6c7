"""What validation found, in words for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from utils.cli.console import say_result
from utils.report.tables import text_table
from utils.validation.diagnosis import Diagnosis
from utils.validation.findings import SEVERITIES, Finding, Summary, worst_of_each_kind

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
    say_result(text_table(HEADER, summary_rows(diagnosis.summaries)))
    say_result()
    for each in diagnosis.summaries:
        say_result(
            f"{each.manifest}: languages {_counts(each.languages)}; "
            f"sampling rates {_counts(each.sampling_rates)}; channels {_counts(each.channels)}"
        )
    _tell_findings(diagnosis.findings, examples)
    say_result("\n" + verdict(diagnosis))


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
    counts = Counter(each.severity for each in diagnosis.findings)
    found = [
        f"{counts[severity]} {severity}{'s' * (counts[severity] != 1)}"
        for severity in SEVERITIES
        if counts[severity]
    ]
    return ", ".join(found) if found else "nothing to fix"


def _tell_findings(findings: Iterable[Finding], examples: int) -> None:
    """Print the findings by severity and kind: how many, and the worst of each."""
    for (severity, kind), (count, shown) in worst_of_each_kind(findings, examples).items():
        say_result(f"\n{severity}: {kind}: {count}")
        for each in shown:
            name = f" ({each.id})" if each.id else ""
            place = f" line {each.line}" if each.line else ""
            say_result(f"  {each.manifest}{place}{name}: {each.message}")
        if len(shown) < count:
            say_result(f"  ... and {count - len(shown)} more; --examples=-1 shows all")


def _counts(counts: Mapping[str, int] | Mapping[int, int]) -> str:
    """Write counts as "zh 320, en 4", the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return ", ".join(f"{value} ({count})" for value, count in ordered) or "none"
