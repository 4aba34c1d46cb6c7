"""Models on test sets: transcribe them, score them, compare, report.

The phases of evaluation.py, one function each. Every process runs all of them; the work of
transcribing is shared among them, and only the main process writes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from utils.cli.console import is_main_process, say, warn
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.model.distributed import broadcast_object, device_of_this_process
from utils.model.fingerprint import model_fingerprint
from utils.model.load import weights_sha256
from utils.report.markdown import write_report
from utils.report.predictions import read_ready
from utils.report.results import Compared, Evaluated, Results, read_results, write_results
from utils.report.settings import EvaluationSettings
from utils.report.sources import Model, TestSet, some_of
from utils.report.speed import draw_speed
from utils.scoring.gate import (
    INCONCLUSIVE,
    MEASURES,
    PASS,
    REGRESS,
    Condition,
    GateAnswer,
    Measured,
    Verdict,
    answer_gate,
    check_gate,
)
from utils.scoring.predictions import Prediction, write_predictions
from utils.scoring.statistics import compare, rate_interval
from utils.transcription.cache import PredictionCache, RunKey
from utils.transcription.cost import Cost
from utils.transcription.decoding import Decoding
from utils.transcription.engines import Engine, open_engine
from utils.transcription.fit import expect_fit
from utils.transcription.transcribe import transcribe_with_engine

DESCRIPTION = "run.json"


@dataclass(frozen=True)
class Transcribed:
    """What one model said of a test set, and how it was asked."""

    model: Model
    test_set: TestSet
    predictions: tuple[Prediction, ...]
    decoding: dict[str, Any]
    cost: Cost | None = None
    missing: int = 0
    extra: int = 0


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


def check_gates(
    conditions: Sequence[Condition], test_sets: Sequence[TestSet], *, has_baseline: bool
) -> None:
    """Refuse a gate that no test set can answer.

    Raises:
        UserError: A condition needs a metric that no set counts, or a baseline.
    """
    metrics = [test_set.metric for test_set in test_sets]
    for condition in conditions:
        wanted = MEASURES[condition.measure].metric
        metric = wanted if wanted in metrics else metrics[0]
        check_gate([condition], str(metric), has_baseline=has_baseline)


def transcribe_all(
    models: Sequence[Model], test_sets: Sequence[TestSet], settings: EvaluationSettings
) -> list[Transcribed]:
    """Transcribe every test set with every model, one model in memory at a time.

    Raises:
        UserError: A model cannot be loaded or does not fit a test set, or nothing of a set could
            be transcribed.
    """
    found = []
    for model in models:
        run = _ModelRun(model, settings)
        found += [
            _ready(model, test_set) if model.ready else run.transcribe(test_set)
            for test_set in test_sets
        ]
    if is_main_process():
        for each in found:
            _write_predictions(each)
    return found


class _ModelRun:
    """A model that is loaded when the first utterance needs it, and its cache."""

    def __init__(self, model: Model, settings: EvaluationSettings) -> None:
        self.model = model
        self.settings = settings
        self.decoding = _decoding(settings)
        self.loaded: Engine | None = None

    @cached_property
    def cache(self) -> PredictionCache | None:
        """Where its predictions are kept."""
        if self.settings.no_cache:
            return None
        offline = self.settings.local_files_only
        model = model_fingerprint(self.model.path, local_files_only=offline)
        if model is None:
            return None
        key = RunKey(model, self.decoding, device_of_this_process().type)
        return PredictionCache(Path(self.settings.cache_dir, key.digest))

    def transcribe(self, test_set: TestSet) -> Transcribed:
        """What the model says of a test set, from the cache where it holds it."""
        done = transcribe_with_engine(
            lambda: self.engine(test_set),
            test_set.utterances,
            self.decoding,
            cache=self.cache,
            measure=True,
            desc=f"{self.model.name} on {test_set.name}",
        )
        if done.cost.cached_utterances:
            say(
                f"{self.model.name} on {test_set.name}: {done.cost.cached_utterances} of "
                f"{len(done.predictions)} utterances from the cache in {self.settings.cache_dir}"
            )
        _expect_some(self.model, test_set, done.predictions)
        return Transcribed(
            self.model, test_set, tuple(done.predictions), self._describe(test_set), done.cost
        )

    def engine(self, test_set: TestSet) -> Engine:
        """The loaded model, which fits the test set."""
        if self.loaded is None:
            offline = self.settings.local_files_only
            self.loaded = open_engine(self.model.path, local_files_only=offline)
        expect_fit(self.loaded, test_set.utterances, self.decoding)
        return self.loaded

    def _describe(self, test_set: TestSet) -> dict[str, Any]:
        """The decoding settings as a result names them, "auto" resolved, and the engine.

        Kept beside the predictions, so that the model need not be loaded for it.
        """
        kept = self.cache.folder / DESCRIPTION if self.cache is not None else None
        described: dict[str, Any] | None = None
        if is_main_process():
            if kept is not None and self.loaded is None:
                with suppress(OSError, ValueError):
                    described = json.loads(kept.read_text(encoding="utf-8"))
            if described is None:
                engine = self.engine(test_set)
                full = self.decoding.windows_are_full(engine.trained_context)
                context: dict[str, Any] = {"audio_context": "full" if full else "dynamic"}
                if not full:
                    context["context_margin"] = engine.context_margin
                described = {**self.decoding.to_json(), **context, **engine.describe()}
                if kept is not None:
                    with atomic_write(kept) as handle:
                        json.dump(described, handle, indent=2)
        result: dict[str, Any] = broadcast_object(described)
        return result


def _ready(model: Model, test_set: TestSet) -> Transcribed:
    ready = read_ready(model, test_set)
    return Transcribed(
        model,
        test_set,
        ready.predictions,
        {"engine": "ready predictions"},
        missing=len(ready.missing),
        extra=len(ready.extra),
    )


def _expect_some(model: Model, test_set: TestSet, predictions: Sequence[Prediction]) -> None:
    """Name what failed.

    Raises:
        UserError: Everything did.
    """
    failed = [each for each in predictions if each.status == "failed"]
    reasons = [f"{each.id} ({each.failure})" if each.failure else each.id for each in failed]
    if len(failed) == len(predictions):
        raise UserError(
            f"{test_set.path}: none of the {len(failed)} utterances could be transcribed: "
            f"{some_of(reasons)}",
            f"`python check_data.py --data={test_set.path}` says what is wrong with each file.",
        )
    if failed:
        warn(
            f"{model.name}: {len(failed)} of {len(predictions)} utterances could not be "
            f"transcribed and count as deleted: {some_of(reasons)}"
        )


def _write_predictions(transcribed: Transcribed) -> None:
    """Write what a model said, unless that is the very file that it was read from."""
    name = transcribed.test_set.name
    path = transcribed.test_set.predictions_path(transcribed.model.name)
    source = transcribed.model.ready.get(name)
    if source is None or os.path.realpath(source) != os.path.realpath(path):
        write_predictions(path, transcribed.predictions)


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
                missing_predictions=each.missing,
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
    several = len({each.test_set for each in evaluated}) > 1
    for model, against in _pairs(evaluated, baselines):
        name = f"{model.model} on {model.test_set}" if several else model.model
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
            measured.append(Measured(name, model.score, model.interval, baseline.model, comparison))
        if not against:
            measured.append(Measured(name, model.score, model.interval))
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


def answer_gates(conditions: Sequence[Condition], measured: Sequence[Measured]) -> GateAnswer:
    """Decide each condition on the test sets that count its metric; the worst answer stands."""
    verdicts: list[Verdict] = []
    for condition in conditions:
        wanted = MEASURES[condition.measure].metric
        asked = [each for each in measured if wanted in (None, each.score.metric)]
        verdicts += answer_gate([condition], asked).verdicts
    answers = {verdict.answer for verdict in verdicts}
    worst = next(answer for answer in (REGRESS, INCONCLUSIVE, PASS) if answer in answers)
    return GateAnswer(worst, tuple(verdicts))


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


def _decoding(settings: EvaluationSettings) -> Decoding:
    """Return how the settings want text to be made."""
    return Decoding(
        language=settings.language_code,
        task=settings.task,
        timestamps=settings.timestamps,
        batch_size=settings.batch_size,
        num_beams=settings.num_beams,
        audio_context=settings.audio_context,
        num_workers=settings.num_workers,
        temperature_fallback=settings.temperature_fallback,
        seed=settings.seed,
    )
