"""Ready predictions, made by any program, held against a test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from utils.cli.console import warn
from utils.cli.errors import UserError
from utils.evaluation.models_and_sets import Model, TestSet, some_of
from utils.manifest.durations import known_durations
from utils.manifest.utterance import Utterance
from utils.scoring.predictions import Prediction, read_predictions

MISSING = "there is no prediction of it"


@dataclass(frozen=True)
class Ready:
    """What a file says of a test set.

    Attributes:
        predictions: one an utterance, in the set's order; a missing one has the status "missing".
        missing: ids of the set that the file lacks.
        extra: ids of the file that are not in the set; they are not scored.
    """

    predictions: tuple[Prediction, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def read_ready(model: Model, test_set: TestSet) -> Ready:
    """Read a model's predictions of a test set; say what is missing and what is too many.

    The references are the manifest's: those of the file are not believed.

    Raises:
        UserError: The file is broken, or none of its ids is in the test set.
    """
    path = model.ready[test_set.name]
    lines = read_predictions(path, need_references=False)
    # Those that an earlier evaluation missed and wrote down as missing are missing still.
    predicted = {each.id: each for each in lines if each.status != "missing"}
    left_out = {each.id for each in test_set.dropped}
    ids = [utterance.id for utterance in test_set.utterances]
    missing = tuple(each for each in ids if each not in predicted)
    known = left_out.union(ids)
    extra = tuple(each for each in predicted if each not in known)
    if len(missing) == len(ids):
        raise UserError(
            f"{path}: none of its {len(predicted)} ids is in the test set {test_set.path}",
            f"The file has {some_of(list(predicted)) or 'no lines'}; the test set {some_of(ids)}.",
        )
    if missing:
        warn(
            f"{path}: {len(missing)} of {len(ids)} utterances have no prediction and count as "
            f"deleted: {some_of(missing)}"
        )
    if extra:
        warn(
            f"{path}: {len(extra)} predictions have ids that are not in {test_set.path} and are "
            f"not scored: {some_of(extra)}"
        )
    predictions = []
    lengths = _lengths([u for u in test_set.utterances if not _length_in(predicted.get(u.id))])
    for utterance in test_set.utterances:
        found = predicted.get(utterance.id)
        if found is None:
            found = Prediction(
                id=utterance.id,
                reference=utterance.sentence,
                hypothesis="",
                language=utterance.language,
                status="missing",
                failure=MISSING,
            )
        predictions.append(
            replace(
                found,
                reference=utterance.sentence,
                audio_seconds=lengths.get(utterance.id, found.audio_seconds),
                language=test_set.languages[utterance.id] or found.language,
                speaker=utterance.speaker,
                recording=utterance.audio.path,
                source=utterance.source,
                work_seconds=0.0,
            )
        )
    return Ready(tuple(predictions), missing, extra)


def _length_in(found: Prediction | None) -> float:
    return 0.0 if found is None else found.audio_seconds


def _lengths(utterances: Sequence[Utterance]) -> dict[str, float]:
    """Return the length of each, from the manifest or the header; 0 where the file is gone."""
    lengths = zip(utterances, known_durations(utterances), strict=True)
    return {utterance.id: seconds or 0.0 for utterance, seconds in lengths}
