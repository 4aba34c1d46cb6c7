"""Every model on every test set: loaded, taken from the cache, or read from a file.

Every process runs all of this; the work of transcribing is shared among them, and only the main
process writes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from utils.cli.console import is_main_process, say, warn
from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.evaluation.audio_context import suited_context
from utils.evaluation.compatibility import expect_fit
from utils.evaluation.models_and_sets import Model, TestSet, some_of
from utils.evaluation.ready_predictions import read_ready
from utils.evaluation.settings import EvaluationSettings
from utils.model.distributed import broadcast_object, device_of_this_process
from utils.model.fingerprint import model_fingerprint
from utils.scoring.predictions import Prediction, write_predictions
from utils.transcription.cache import PredictionCache, RunKey
from utils.transcription.cost import Cost, MemoryMeter
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import Engine, open_engine, windows_of
from utils.transcription.transcribe import transcribe_with_engine

DESCRIPTION = "run.json"


@dataclass(frozen=True)
class Transcribed:
    """One model's predictions for a test set, and how they were made."""

    model: Model
    test_set: TestSet
    predictions: tuple[Prediction, ...]
    decoding: dict[str, Any]
    cost: Cost | None = None
    extra: int = 0


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
        found += _transcribe(model, test_sets, settings)
    if is_main_process():
        for each in found:
            _write_predictions(each)
    return found


def _transcribe(
    model: Model, test_sets: Sequence[TestSet], settings: EvaluationSettings
) -> list[Transcribed]:
    """One model on every set; it is gone from memory when this returns."""
    if model.ready:
        return [_ready(model, test_set) for test_set in test_sets]
    run = _ModelRun(model, settings)
    return [run.transcribe(test_set) for test_set in test_sets]


class _ModelRun:
    """A model that is loaded when the first utterance needs it, and its cache."""

    def __init__(self, model: Model, settings: EvaluationSettings) -> None:
        self.model = model
        self.settings = settings
        self.decoding = _decoding(settings)
        self.loaded: Engine | None = None
        self.meter = MemoryMeter()

    @cached_property
    def fingerprint(self) -> tuple[str, ...] | None:
        """Of the model's files."""
        offline = self.settings.local_files_only
        return model_fingerprint(self.model.path, local_files_only=offline)

    @property
    def cache(self) -> PredictionCache | None:
        """Where its predictions are kept."""
        if self.settings.no_cache or self.fingerprint is None:
            return None
        key = RunKey(self.fingerprint, self.decoding, device_of_this_process().type)
        return PredictionCache(Path(self.settings.cache_dir, key.digest))

    def transcribe(self, test_set: TestSet) -> Transcribed:
        """What the model says of a test set, from the cache where it holds it."""
        self.decoding = _decoding(self.settings)
        if self.decoding.audio_context == "auto":
            kept_in = None if self.settings.no_cache else Path(self.settings.cache_dir)
            context = suited_context(
                lambda: self.engine(test_set),
                self.model,
                test_set,
                kept_in,
                None if kept_in is None else self.fingerprint,
            )
            self.decoding = replace(self.decoding, audio_context=context)
        done = transcribe_with_engine(
            lambda: self.engine(test_set),
            test_set.utterances,
            self.decoding,
            cache=self.cache,
            meter=self.meter,
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
                with suppress(OSError, UserError):
                    described = read_json_object(kept)
            if described is None:
                engine = self.engine(test_set)
                windows = windows_of(engine, self.decoding)
                context: dict[str, Any] = {"audio_context": windows.kind}
                if windows.kind != "full":
                    context["context_margin"] = windows.margin
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
    """Write a model's predictions, unless to the very file that they were read from."""
    name = transcribed.test_set.name
    path = transcribed.test_set.predictions_path(transcribed.model.name)
    source = transcribed.model.ready.get(name)
    if source is None or os.path.realpath(source) != os.path.realpath(path):
        write_predictions(path, transcribed.predictions)


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
