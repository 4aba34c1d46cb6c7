"""What models said of test sets: scored, compared, held to a gate, reported.

The phases of evaluation.py that follow the transcribing, one function each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.model.load import weights_sha256
from utils.report.markdown import write_report
from utils.report.results import Compared, Evaluated, Results, read_results, write_results
from utils.report.settings import EvaluationSettings
from utils.report.sources import TestSet
from utils.report.speed import draw_speed
from utils.report.transcribed import Transcribed
from utils.scoring.measures import Measured
from utils.scoring.statistics import compare, rate_interval


def expect_report_dir(settings: EvaluationSettings) -> None:
    """See that the report's folder can be written to and that its results.json is one of ours.

    Raises:
        UserError: It is a file, or holds a results.json that this program did not write.
    """
    folder = Path(settings.report_dir)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--report_dir={folder} is a file", "Give a folder.")
    earlier = folder / "results.json"
    if earlier.exists():
        try:
            read_results(earlier)
        except UserError as error:
            raise UserError(
                f"{earlier} was not written by evaluation.py, and would be replaced",
                "Give another --report_dir, or move the file away.",
            ) from error


def score_all(transcribed: Iterable[Transcribed], seed: int) -> list[Evaluated]:
    """Count the errors of each model on each set, with the interval of its rate."""
    evaluated = []
    hashes: dict[str, str | None] = {}
    for each in transcribed:
        model, test_set = each.model, each.test_set
        if model.path not in hashes:
            hashes[model.path] = None if model.ready else weights_sha256(model.path)
        score = test_set.score(each.predictions)
        evaluated.append(
            Evaluated(
                model=model.name,
                score=score,
                interval=rate_interval(score, seed=seed),
                test_data=test_set.path,
                test_set=test_set.name,
                manifest_sha256=test_set.sha256,
                model_path=model.ready.get(test_set.name, model.path),
                model_sha256=hashes[model.path],
                decoding=each.decoding,
                dropped_utterances=len(test_set.dropped),
                predictions=str(test_set.predictions_path(model.name)),
                audio_seconds=sum(p.audio_seconds for p in each.predictions),
                cost=each.cost.to_json() if each.cost else None,
                extra_predictions=each.extra,
            )
        )
    return evaluated


def compare_all(
    evaluated: Sequence[Evaluated], baselines: Sequence[str], seed: int
) -> tuple[list[Compared], list[Measured]]:
    """Hold each model against each baseline on each test set.

    Args:
        evaluated: Every model on every set.
        baselines: Names of the baselines among them.
        seed: Of the bootstrap.

    Returns:
        The comparisons, and the same with the score, for the gate to measure.
    """
    compared, measured = [], []
    for model, against in _pairs(evaluated, baselines):
        alone = Measured(
            model.model, model.score, model.interval, test_set=model.test_set, seed=seed
        )
        for baseline in against:
            comparison = compare(model.score, baseline.score, seed=seed)
            metric = model.score.metric
            compared.append(
                Compared(
                    model.model,
                    baseline.model,
                    model.test_data,
                    metric,
                    comparison,
                    test_set=model.test_set,
                )
            )
            measured.append(
                replace(
                    alone,
                    baseline=baseline.model,
                    comparison=comparison,
                    baseline_score=baseline.score,
                )
            )
        if not against:
            measured.append(alone)
    return compared, measured


def _pairs(
    evaluated: Sequence[Evaluated], baselines: Sequence[str]
) -> Iterator[tuple[Evaluated, list[Evaluated]]]:
    """Each model in question on each set, with the baselines on the same set."""
    for each in evaluated:
        if each.model not in baselines:
            yield (
                each,
                [b for b in evaluated if b.model in baselines and b.test_set == each.test_set],
            )


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
