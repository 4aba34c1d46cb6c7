"""Models on a test set: read it, transcribe it, score it, compare, report.

The phases of evaluation.py, one function each. Every process runs all of them; the work of
transcribing is shared among them, and only the main process writes.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from utils.cli.console import is_main_process, say, warn
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.manifest.read import Dropped, filter_by_duration, read_manifest
from utils.manifest.utterance import Utterance
from utils.model.distributed import device_of_this_process
from utils.model.load import LoadedModel, check_model_path, load_model, weights_sha256
from utils.report.markdown import write_report
from utils.report.results import Compared, Evaluated, Results, set_name, write_results
from utils.report.settings import EvaluationSettings
from utils.scoring.measures import Measured
from utils.scoring.normalizers import choose_normalizer
from utils.scoring.predictions import Prediction, write_predictions
from utils.scoring.score import Score, score_predictions
from utils.scoring.statistics import compare, rate_interval
from utils.scoring.tokens import default_metric
from utils.transcription.transcribe import Decoding, transcribe

NAMED_IN_A_WARNING = 5
CHECKPOINT_FOLDER = re.compile(r"checkpoint-\w+")
MOST_PARTS_IN_A_NAME = 8


@dataclass(frozen=True)
class TestSet:
    """The utterances that are scored, and how."""

    settings: EvaluationSettings
    sha256: str
    utterances: Sequence[Utterance]
    dropped: Sequence[Dropped]

    @property
    def path(self) -> str:
        """The manifest, as the user named it."""
        return self.settings.test_data

    @property
    def name(self) -> str:
        """Short name: "test" for dataset/test.json."""
        return set_name(self.path)

    @cached_property
    def languages(self) -> dict[str, str | None]:
        """Language code of each utterance id; what the manifest says wins over the flag."""
        spoken = self.settings.language_code
        return {each.id: each.language or spoken for each in self.utterances}

    @cached_property
    def metric(self) -> str:
        """The metric of this test set."""
        chosen = self.settings.metric
        return default_metric(self.languages.values()) if chosen == "auto" else chosen

    def normalizer_for(self, prediction: Prediction) -> str:
        """Name the normalizer of an utterance; what a model detected has no say in it."""
        settings = self.settings
        if settings.normalizer != "auto":
            return settings.normalizer
        return choose_normalizer(
            self.languages[prediction.id],
            remove_pun=settings.remove_pun,
            to_simple=settings.to_simple,
        )

    def predictions_path(self, model: Model) -> Path:
        """Return where the predictions of a model are written."""
        return Path(self.settings.report_dir, "predictions", f"{model.name}--{self.name}.jsonl")

    def score(self, predictions: Sequence[Prediction]) -> Score:
        """Score one model's predictions."""
        return score_predictions(predictions, self.metric, self.normalizer_for)


@dataclass(frozen=True)
class Model:
    """A model that is evaluated: a short name that no other has, and where it lies."""

    name: str
    path: str


@dataclass(frozen=True)
class Transcribed:
    """What one model said of a test set, and how it was asked."""

    model: Model
    predictions: tuple[Prediction, ...]
    decoding: dict[str, Any]


def read_test_set(settings: EvaluationSettings) -> TestSet:
    """Read a manifest and leave out what is too short or too long; say how many that were.

    Raises:
        UserError: The manifest cannot be used, or nothing of it is left.
    """
    path = settings.test_data
    manifest = read_manifest(path)
    kept, dropped = filter_by_duration(
        manifest.utterances, settings.min_audio_len, settings.max_audio_len
    )
    reasons = [f"{each.id} ({each.reason})" for each in dropped]
    if not kept:
        raise UserError(
            f"{path}: all {len(manifest)} utterances are left out: {_some(reasons)}",
            "Choose --min_audio_len and --max_audio_len so that some remain.",
        )
    if dropped:
        warn(f"{path}: {len(dropped)} of {len(manifest)} utterances left out: {_some(reasons)}")
    test_set = TestSet(settings, manifest.sha256, kept, dropped)
    spoken = Counter(code or "detected" for code in test_set.languages.values())
    say(
        f"{path}: {len(kept)} utterances, scored by {test_set.metric.upper()}, "
        f"language {', '.join(f'{code} ({n})' for code, n in spoken.most_common())}"
    )
    return test_set


def find_models(paths: Sequence[str]) -> list[Model]:
    """Give each model a short name, and see that it is complete before any work is done.

    Args:
        paths: Folders or hub names.

    Returns:
        The models in the given order.

    Raises:
        UserError: A folder is missing or lacks a file, or the same model is named twice.
    """
    real = [os.path.realpath(path) if os.path.exists(path) else path for path in paths]
    for place, path in enumerate(paths):
        if real.index(real[place]) != place:
            raise UserError(
                f"{path} is named twice; a model cannot be compared with itself",
                "Compare different models: --model_path=<new> --baseline=<old>.",
            )
        check_model_path(path)
    depths = [1] * len(paths)
    for _ in range(MOST_PARTS_IN_A_NAME):
        names = [_model_name(path, depth) for path, depth in zip(paths, depths, strict=True)]
        depths = [
            depth + (names.count(name) > 1) for name, depth in zip(names, depths, strict=True)
        ]
    return [Model(name, path) for name, path in zip(names, paths, strict=True)]


def transcribe_with(model: Model, test_set: TestSet) -> Transcribed:
    """Transcribe a test set with one model; the main process writes what it said.

    Raises:
        UserError: The model cannot be loaded, or no utterance could be transcribed.
    """
    decoding = _decoding(test_set.settings)
    loaded = load_model(model.path, local_files_only=test_set.settings.local_files_only)
    loaded.model.to(device_of_this_process())
    predictions = transcribe(loaded, test_set.utterances, decoding, desc=model.name)
    failed = [each for each in predictions if each.status == "failed"]
    reasons = [f"{each.id} ({each.failure})" if each.failure else each.id for each in failed]
    if len(failed) == len(predictions):
        raise UserError(
            f"{test_set.path}: none of the {len(failed)} utterances could be transcribed: "
            f"{_some(reasons)}",
            f"`python check_data.py --data={test_set.path}` says what is wrong with each file.",
        )
    if failed:
        warn(
            f"{model.name}: {len(failed)} of {len(predictions)} utterances could not be "
            f"transcribed and count as deleted: {_some(reasons)}"
        )
    if is_main_process():
        write_predictions(test_set.predictions_path(model), predictions)
    return Transcribed(model, tuple(predictions), _describe(decoding, loaded))


def score_models(transcribed: Sequence[Transcribed], test_set: TestSet) -> list[Evaluated]:
    """Count the errors of each model, with the interval of its rate."""
    evaluated = []
    for each in transcribed:
        score = test_set.score(each.predictions)
        evaluated.append(
            Evaluated(
                model=each.model.name,
                score=score,
                interval=rate_interval(score, seed=test_set.settings.seed),
                test_data=test_set.path,
                manifest_sha256=test_set.sha256,
                model_path=each.model.path,
                model_sha256=weights_sha256(each.model.path),
                decoding=each.decoding,
                dropped_utterances=len(test_set.dropped),
                predictions=str(test_set.predictions_path(each.model)),
                audio_seconds=sum(p.audio_seconds for p in each.predictions),
            )
        )
    return evaluated


def compare_models(
    model: Evaluated, baselines: Sequence[Evaluated], seed: int
) -> tuple[list[Compared], list[Measured]]:
    """Hold a model against each baseline.

    Args:
        model: The model in question.
        baselines: None, one or several, on the same test set.
        seed: Of the bootstrap.

    Returns:
        The comparisons, and the same with the score, for the gate to measure.
    """
    compared, measured = [], []
    alone = Measured(
        model.model,
        model.score,
        model.interval,
        test_set=set_name(model.test_data),
        seed=seed,
    )
    for baseline in baselines:
        comparison = compare(model.score, baseline.score, seed=seed)
        compared.append(
            Compared(model.model, baseline.model, model.test_data, model.score.metric, comparison)
        )
        measured.append(
            replace(
                alone,
                baseline=baseline.model,
                comparison=comparison,
                baseline_score=baseline.score,
            )
        )
    return compared, measured or [alone]


def write_reports(
    results: Results, evaluated: Sequence[Evaluated], test_set: TestSet
) -> list[Path]:
    """Write results.json and report.md, and which utterances were left out and why.

    Returns:
        The paths that were written.
    """
    report_dir = Path(test_set.settings.report_dir)
    written = [report_dir / "results.json", report_dir / "report.md"]
    write_results(written[0], results)
    write_report(written[1], results, evaluated)
    dropped = report_dir / "dropped" / f"{test_set.name}.jsonl"
    if test_set.dropped:
        with atomic_write(dropped) as handle:
            for each in test_set.dropped:
                handle.write(json.dumps(each._asdict(), ensure_ascii=False) + "\n")
        written.append(dropped)
    else:
        dropped.unlink(missing_ok=True)  # of an earlier evaluation with other limits
    return written


def _model_name(path: str, depth: int) -> str:
    """Join the last parts of a path; a checkpoint's folder alone would say too little."""
    parts = [part for part in Path(os.path.normpath(path)).parts if part != os.sep]
    if CHECKPOINT_FOLDER.fullmatch(parts[-1]):
        depth += 1
    return "-".join(parts[-depth:])


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
    )


def _describe(decoding: Decoding, loaded: LoadedModel) -> dict[str, Any]:
    """Return the decoding settings as a result names them, "auto" resolved."""
    described = asdict(decoding)
    del described["num_workers"]  # changes nothing in the text
    is_full = decoding.windows_are_full(loaded.audio_context)
    if is_full:
        return {**described, "audio_context": "full"}
    return {**described, "audio_context": "dynamic", "context_margin": loaded.context_margin}


def _some(names: Sequence[str]) -> str:
    """Name the first few."""
    shown = ", ".join(names[:NAMED_IN_A_WARNING])
    rest = len(names) - NAMED_IN_A_WARNING
    return f"{shown} and {rest} more" if rest > 0 else shown
