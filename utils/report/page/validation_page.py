"""What validation found as one HTML file: players, distributions, the worst lines first.

The page needs no network and no server. Sounds are not copied: the page names them relative to
itself, so it plays as long as both lie where they were.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from utils.audio.clip import AudioRef
from utils.audio.probe import AudioFacts
from utils.cli.files import atomic_write
from utils.report.page.validation_advice import ADVICE
from utils.report.page.validation_counts import count_texts
from utils.report.validation_text import HEADER, summary_rows, verdict
from utils.validation.diagnosis import Diagnosis, LineRecords
from utils.validation.findings import SEVERITIES, Finding, Line, worst_of_each_kind
from utils.validation.records import READABLE

_FILES = Path(__file__).parent / "validation"
# In this order: each uses only what stands before it.
_SCRIPTS = ("tools", "pictures", "corrections", "page")
# More would make a page that no browser likes; the terminal and --fix name every one.
MOST_OF_A_KIND = 500
LONGEST_TEXT = 600
_BINS = 30
_PLOTTED = (("Duration", "s"), ("Characters a second", ""), ("Loudness (RMS)", "dBFS"))
# Digital silence is drawn at the left end.
_QUIETEST = -80.0  # dBFS


def write_validation_page(diagnosis: Diagnosis, path: Path) -> None:
    """Write the page.

    Args:
        diagnosis: what was found.
        path: the HTML file; missing folders are made.
    """
    data = json.dumps(page_data(diagnosis, path), ensure_ascii=False, allow_nan=False)
    page = (_FILES / "template.html").read_text(encoding="utf-8")
    parts = {
        "/*STYLE*/": (_FILES / "page.css").read_text(encoding="utf-8"),
        "/*SCRIPT*/": "\n".join(
            (_FILES / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS
        ),
        # Data goes in last: nothing in it is looked at for a mark again.
        "/*DATA*/": data.replace("<", "\\u003c").replace("\u2028", "\\u2028"),
    }
    for mark, content in parts.items():
        page = page.replace(mark, content, 1)
    with atomic_write(path) as file:
        file.write(page)


def page_data(diagnosis: Diagnosis, path: Path) -> dict[str, Any]:
    """Return what the page shows, as plain JSON values.

    Args:
        diagnosis: what was found.
        path: where the page will lie.
    """
    chosen = worst_of_each_kind(diagnosis.findings, MOST_OF_A_KIND)
    findings = sorted(
        (each for _, some in chosen.values() for each in some),
        key=lambda each: (SEVERITIES.index(each.severity), -each.weight),
    )
    folder = path.resolve().parent
    shown = [
        _entry(each, diagnosis.lines.find(each.manifest, each.line), folder) for each in findings
    ]
    total = len(diagnosis.findings)
    left_out = total - len(shown)
    kinds: Counter[str] = Counter()
    for (_, kind), (count, _) in chosen.items():
        kinds[kind] += count
    return {
        "verdict": verdict(diagnosis),
        "title": "What was found, the worst first"
        + (f" ({left_out} more are not on this page)" if left_out else ""),
        "header": list(HEADER),
        "rows": summary_rows(diagnosis.summaries),
        "histograms": _histograms(diagnosis.lines),
        "texts": count_texts(diagnosis.lines),
        "advice": {kind: ADVICE[kind] for kind in kinds if kind in ADVICE},
        "total": total,
        "kinds": list(kinds.items()),
        "findings": shown,
    }


def _entry(finding: Finding, line: Line | None, folder: Path) -> dict[str, Any]:
    place = str(finding.manifest) + (f" line {finding.line}" if finding.line else "")
    entry: dict[str, Any] = {
        "severity": finding.severity,
        "kind": finding.kind,
        "place": f"{place} ({finding.id})" if finding.id else place,
        "message": finding.message,
    }
    if line is not None:
        entry["text"] = line.utterance.sentence[:LONGEST_TEXT]
        entry |= _correctable(line)
        channel = line.utterance.audio.channel
        if channel is not None:
            # The player knows no channels: the reader must know which one the line is of.
            entry["place"] += f", channel {channel} alone (the player plays all)"
        if isinstance(line.probed, AudioFacts):
            entry["audio"] = _address(line.utterance.audio, folder)
    return entry


def _address(audio: AudioRef, folder: Path) -> str:
    """Spell where a browser finds a sound; empty for a member of a tar, which it cannot open."""
    if audio.offset is not None:
        return ""
    try:
        path = os.path.relpath(os.path.abspath(audio.path), folder)
    except ValueError:  # another drive
        return Path(audio.path).absolute().as_uri()
    address = quote(path.replace(os.sep, "/"), errors="surrogateescape")
    if audio.start_time is None and audio.end_time is None:
        return address
    end = "" if audio.end_time is None else f",{audio.end_time:g}"
    return f"{address}#t={audio.start_time or 0:g}{end}"


def _correctable(line: Line) -> dict[str, Any]:
    """Return what a correction of the line names; a text that is cut off cannot be corrected."""
    utterance = line.utterance
    return {
        "manifest": str(line.manifest),
        "id": utterance.id,
        "language": utterance.language or "",
        "whole": len(utterance.sentence) <= LONGEST_TEXT,
    }


def _histograms(lines: LineRecords) -> list[dict[str, Any]]:
    """Return the distributions of each manifest, the same axis for all of them."""
    values = [_values(lines.records[start:end]) for start, end in itertools.pairwise(lines.starts)]
    named = [str(each.path) for each in lines.manifests]
    return [
        {**_histogram(title, unit, *each), "manifests": named}
        for (title, unit), each in zip(_PLOTTED, zip(*values, strict=True), strict=True)
    ]


def _values(records: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what is plotted of the lines of a manifest, in the order of `_PLOTTED`."""
    is_readable = records["state"] == READABLE
    duration = records["duration"][is_readable]
    letters = records["letters"][is_readable]
    has_text = letters > 0
    loudness = np.maximum(_QUIETEST, records["loudness"][is_readable])
    return duration, letters[has_text] / duration[has_text], loudness


def _histogram(title: str, unit: str, *values: np.ndarray) -> dict[str, Any]:
    known = [each for each in values if len(each)]
    low = math.floor(min((each.min() for each in known), default=0))
    high = max(math.ceil(max((each.max() for each in known), default=1)), low + 1)
    counts = []
    for each in values:
        bins = np.minimum(_BINS - 1, ((each - low) / (high - low) * _BINS).astype(int))
        counts.append(np.bincount(bins, minlength=_BINS).tolist())
    return {"title": title, "unit": unit, "low": low, "high": high, "counts": counts}
