"""The audio context of a run whose base model says nothing of its own: measured before it begins.

What would be saved, and what it would cost: see `utils/model/audio_context/choice.py`. A model that
cannot do without the silence is trained on thinned windows.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from utils.audio.clip import Seconds
from utils.audio.features import WINDOW_SECONDS
from utils.cli.console import say
from utils.cli.data_files import read_json_object
from utils.data.dataset import TrainingTable
from utils.model.audio_context.choice import context_losses
from utils.model.audio_context.contexts import silence_kept
from utils.model.audio_context.token_merging import MERGE_STRIDE
from utils.model.distributed import device_of_this_process
from utils.model.loaded import LoadedModel
from utils.training.data import RunData
from utils.training.settings.common import TrainSettings

UNDECIDED = "auto"
"""The audio context of a model for which none is stated."""
LEAST_SAVING = 0.25
"""Share of the windows of 30 s below which leaving out silence is not worth a question."""


def settled_context(
    settings: TrainSettings,
    loaded: LoadedModel,
    data: RunData,
    checkpoint: str | None,
) -> LoadedModel:
    """The model with an audio context, measured if none is stated.

    Args:
        settings: of the run.
        loaded: the base model as `with_context` gave it.
        data: training and dev set.
        checkpoint: folder that the run goes on from: what was measured once holds to its end.
    """
    if loaded.audio_context != UNDECIDED:
        return loaded
    if checkpoint is not None:
        saved = read_json_object(Path(checkpoint, "generation_config.json"))
        return replace(loaded, audio_context=str(saved.get("audio_context", "full")))
    context = measured_context(settings, loaded, data.train, data.dev)
    return replace(loaded, audio_context=context)


def measured_context(
    settings: TrainSettings, loaded: LoadedModel, train: TrainingTable, dev: TrainingTable
) -> str:
    """Choose "mixed", "thinned" or "full" by the base model's loss on each, and say why.

    Args:
        settings: of the run.
        loaded: the base model; it is moved to this process's device.
        train: its lengths say what would be saved.
        dev: the transcripts of a few of its utterances are compared.
    """
    saving = _saving(train.durations, loaded.context_margin)
    if saving < LEAST_SAVING:
        say(f"windows      30 s: leaving out silence would save {max(saving, 0):.0%} only")
        return "full"
    loaded.model.to(device_of_this_process())
    losses = context_losses(loaded, dev.utterances, language=settings.language, task=settings.task)
    if losses.is_as_good("dynamic"):
        say(f"windows      mixed: {losses}; that saves {saving:.0%} of the encoder's work")
        return "mixed"
    if losses.is_as_good("thinned"):
        kept = silence_kept("thinned", loaded.context_margin)
        spared = _saving(train.durations, kept) * (1 - 1 / MERGE_STRIDE)
        say(f"windows      thinned: {losses}; that saves {spared:.0%} of the encoder's work")
        return "thinned"
    say(f"windows      30 s: {losses}")
    return "full"


def _saving(durations: np.ndarray, margin: Seconds) -> float:
    """Share of the windows of 30 s that is neither speech nor margin."""
    return 1 - float(np.minimum(durations + margin, WINDOW_SECONDS).mean()) / (WINDOW_SECONDS)
