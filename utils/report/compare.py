"""Comparisons that the results files do not hold: any model with any other on the same test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from utils.cli.errors import UserError
from utils.evaluation.results import Compared, comparisons_json
from utils.report.report_data import ReportData
from utils.scoring.statistics import compare


def compare_with(report_data: ReportData, baselines: Sequence[str], seed: int = 0) -> ReportData:
    """Compare every other model with the baselines, wherever they share a test set.

    Args:
        report_data: As `read_report_data` returns it. Its own comparisons are replaced.
        baselines: Names of models. None: the report's own comparisons are kept.
        seed: Of the bootstrap, as in evaluation.py.

    Raises:
        UserError: A name is no model of the report, or nothing is left to compare.
    """
    if not baselines:
        return report_data
    unknown = [name for name in baselines if name not in report_data.models]
    if unknown:
        raise UserError(
            f"--baseline={unknown[0]}: the results have no model of that name",
            f"They have {', '.join(report_data.models)}.",
        )
    compared = [
        Compared(
            model,
            baseline,
            view.test_data,
            view.metric,
            compare(score, view.scores[baseline], seed=seed),
            test_set=view.name,
        )
        for view in report_data.sets
        for model, score in view.scores.items()
        if model not in baselines
        for baseline in baselines
        if baseline in view.scores
    ]
    if not compared:
        raise UserError(
            f"nothing can be compared with {', '.join(baselines)}",
            "Give results of other models on the same test set too.",
        )
    comparisons = comparisons_json(compared)
    return replace(report_data, results={**report_data.results, "comparisons": comparisons})
