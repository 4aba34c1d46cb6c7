"""What a model may answer: its generation settings, opened for what it is about to be taught.

Whisper's own settings forbid some answers wherever the model is loaded. What a run teaches must be
allowed while its dev set is scored, and in every folder that it saves.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from utils.audio.clip import Seconds
from utils.cli.console import warn
from utils.data.dataset import TrainingTable
from utils.data.labels import LAST_TIMESTAMP, TIMESTAMP_STEP
from utils.model.loaded import LoadedModel
from utils.training.settings.common import TrainSettings

if TYPE_CHECKING:
    from utils.audio.augmentation.pipeline import Augmenter


def allow_what_is_taught(
    settings: TrainSettings,
    loaded: LoadedModel,
    train: TrainingTable,
    augmenter: Augmenter | None,
) -> None:
    """Let the model answer as the training examples do, now and wherever it is loaded later.

    Args:
        settings: of the run.
        loaded: its generation settings are changed in place.
        train: the examples.
        augmenter: may move times.
    """
    if train.teaches_silence:
        allow_silence(loaded)
    if settings.timestamps:
        allow_late_starts(loaded, latest_start(settings, train, augmenter))


def allow_silence(loaded: LoadedModel) -> None:
    """Let the model answer with nothing, now and wherever it is loaded later.

    Whisper's generation settings forbid that an answer ends at once, so that a base model says
    something on noise whatever it was taught.
    """
    known = loaded.whisper.generation_config
    forbidden = known.begin_suppress_tokens or ()
    end = loaded.label_encoder().end
    known.begin_suppress_tokens = [token for token in forbidden if token != end] or None


def latest_start(
    settings: TrainSettings, train: TrainingTable, augmenter: Augmenter | None
) -> Seconds:
    """When a timed example first speaks, at the latest; that there is none of them is warned of."""
    latest = train.latest_start
    if latest is None:
        warn(
            f"--timestamps=True, and no line of {settings.train_data} has times in `sentences`: no "
            "times are trained"
        )
        return 0.0
    if augmenter is None:
        return latest
    return latest * augmenter.longest_stretch + augmenter.longest_delay


def allow_late_starts(loaded: LoadedModel, latest: Seconds) -> None:
    """Let the model begin an answer as late as it is taught, now and wherever it is loaded later.

    Whisper's generation settings forbid that the first sentence begins after the first second.
    """
    known = loaded.whisper.generation_config
    limit = getattr(known, "max_initial_timestamp_index", None)
    taught = min(math.ceil(latest / TIMESTAMP_STEP), LAST_TIMESTAMP)
    if limit is not None and taught > limit:
        known.max_initial_timestamp_index = taught
