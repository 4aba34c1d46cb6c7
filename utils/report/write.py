"""What evaluation.py writes first: results.json, and the forms that need nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from utils.cli.files import atomic_write
from utils.evaluation.models_and_sets import TestSet
from utils.evaluation.results import Evaluated, Results, write_results
from utils.report.figures.speed import draw_speed
from utils.report.markdown import write_report


def write_reports(
    results: Results,
    evaluated: Sequence[Evaluated],
    test_sets: Sequence[TestSet],
    report_dir: Path,
) -> list[Path]:
    """Write results.json, report.md, the picture, and which utterances were left out and why.

    Files of these names are replaced, each whole or not at all; any other file of the folder is
    left alone.

    Returns:
        The paths that were written.
    """
    written = [report_dir / "results.json", report_dir / "report.md"]
    write_results(written[0], results)
    write_report(written[1], results, evaluated)
    picture = report_dir / "speed.png"
    if draw_speed(results, picture):
        written.append(picture)
    else:
        picture.unlink(missing_ok=True)  # of an earlier evaluation, which was measured
    for test_set in test_sets:
        dropped = report_dir / "dropped" / f"{test_set.name}.jsonl"
        if test_set.dropped:
            with atomic_write(dropped) as handle:
                for each in test_set.dropped:
                    handle.write(json.dumps(each._asdict(), ensure_ascii=False) + "\n")
            written.append(dropped)
        else:
            dropped.unlink(missing_ok=True)  # of an earlier evaluation with other limits
    return written
