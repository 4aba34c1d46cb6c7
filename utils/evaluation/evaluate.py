"""The hypotheses of models on test sets: scored and compared.

The phases of evaluation.py between the transcribing and the report, one function each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.evaluation.figures import figures_of
from utils.evaluation.modules import compute_modules
from utils.evaluation.recount import JIWER, recount
from utils.evaluation.results import Compared, Evaluated, read_results
from utils.evaluation.run_models import Transcribed
from utils.evaluation.settings import EvaluationSettings
from utils.model.load import weights_sha256
from utils.scoring.measures import Measured
from utils.scoring.score import Score
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


def expect_one_for_out_data(settings: EvaluationSettings, models: int, test_sets: int) -> None:
    """See that --out_data is given one text.

    Raises:
        UserError: There are several models or test sets, or the path is a folder.
    """
    if settings.out_data is None:
        return
    if models * test_sets != 1:
        raise UserError(
            f"--out_data={settings.out_data} takes one model on one test set; "
            f"found {models} and {test_sets}",
            "Leave it out: predictions/ in --report_dir holds a file for each.",
        )
    if Path(settings.out_data).is_dir():
        raise UserError(f"--out_data={settings.out_data} is a folder", "Give the name of a file.")


def write_out_data(path: Path, score: Score) -> None:
    """Write each hypothesis as it was scored: an id, a tab and a text in each line."""
    with atomic_write(path) as file:
        for prediction, text in zip(score.predictions, score.hypotheses, strict=True):
            columns = (" ".join(column.split()) for column in (prediction.id, text))
            file.write("\t".join(columns) + "\n")


def score_all(
    transcribed: Iterable[Transcribed],
    settings: EvaluationSettings,
    modules: Mapping[str, Any] | None = None,
) -> list[Evaluated]:
    """Count the errors of each model on each set, with intervals and the figures beside the rate.

    Args:
        transcribed: Every model on every set.
        settings: Of the evaluation.
        modules: Loaded `evaluate` modules by name.

    Raises:
        UserError: A module cannot compute with texts alone.
    """
    evaluated = []
    seed = settings.seed
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
                figures=figures_of(test_set, score, settings.keyword_list, seed),
                modules=compute_modules(dict(modules or {}), score),
                checked=(
                    recount(score, f"{model.name} on {test_set.name}")
                    if settings.check_with == JIWER
                    else None
                ),
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
