"""Whether a base model that says nothing of its windows may be trained on cut ones.

A pretrained Whisper has only ever heard windows of 30 s, and some break when these are cut:
whisper-tiny.en goes from 4.7 to 226 % word error rate (futo-org/whisper-acft). Nothing in the
files of a model tells, so it is measured on a few utterances of the dev set. One that cannot do
without the silence gets it thinned.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from utils.audio.clip import Seconds
from utils.audio.features import WINDOW_SECONDS
from utils.cli.console import say
from utils.data.dataset import TrainingTable
from utils.manifest.utterance import Utterance
from utils.model.audio_context.contexts import silence_kept
from utils.model.audio_context.token_merging import MERGE_STRIDE
from utils.model.distributed import device_of_this_process
from utils.model.loaded import LoadedModel
from utils.training.data import RunData
from utils.training.settings.common import TrainSettings
from utils.transcription.decoding import Decoding, WindowKind
from utils.transcription.score import score_of

UNDECIDED = "auto"
"""The audio context of a model for which nobody has said one."""
PROBED = 32
"""Utterances that are transcribed both ways."""
LEAST_SAVING = 0.25
"""Share of the window below which cutting is not worth a question."""
TOLERATED_RELATIVE, TOLERATED_POINTS = 0.1, 0.01
"""So much more error on cut windows is chance on so few utterances."""


def is_as_good(cut: float, full: float) -> bool:
    """Whether an error rate on cut windows is no worse than one on 30 s windows, chance aside."""
    return cut <= full + max(TOLERATED_RELATIVE * full, TOLERATED_POINTS)


def stated_context(loaded: LoadedModel) -> str | None:
    """The audio context that a model says it was trained for, if it says so."""
    context: str | None = getattr(loaded.whisper.generation_config, "audio_context", None)
    return context


def settled_context(
    settings: TrainSettings,
    loaded: LoadedModel,
    data: RunData,
    checkpoint: str | None,
) -> LoadedModel:
    """The model with an audio context, measured if nobody has said which.

    Args:
        settings: of the run.
        loaded: the base model as `with_context` gave it.
        data: training and dev set.
        checkpoint: folder that the run goes on from: what was measured once holds to its end.
    """
    if loaded.audio_context != UNDECIDED:
        return loaded
    if checkpoint is not None:
        saved = Path(checkpoint, "generation_config.json").read_text(encoding="utf-8")
        return replace(loaded, audio_context=json.loads(saved)["audio_context"])
    context = measured_context(settings, loaded, data.train, data.dev)
    return replace(loaded, audio_context=context)


def measured_context(
    settings: TrainSettings, loaded: LoadedModel, train: TrainingTable, dev: TrainingTable
) -> str:
    """Choose "mixed", "thinned" or "full" by what the base model hears, and say why.

    Args:
        settings: of the run.
        loaded: the base model; it is moved to this process's device.
        train: its lengths say what cutting would save.
        dev: a few of its utterances are transcribed on windows of each kind.
    """
    saving = _saving(train.durations, loaded.context_margin)
    if saving < LEAST_SAVING:
        say(f"windows      30 s: cutting them to the speech would save {max(saving, 0):.0%} only")
        return "full"
    utterances = _some(dev.utterances)
    loaded.model.to(device_of_this_process())
    cut = _error_rate(loaded, utterances, settings, "dynamic")
    full = _error_rate(loaded, utterances, settings, "full")
    found = (
        f"on {len(utterances)} dev utterances the base model has an error rate of {cut:.1%} on "
        f"windows cut to the speech and of {full:.1%} on 30 s"
    )
    if is_as_good(cut, full):
        say(f"windows      mixed: {found}; cutting saves {saving:.0%} of the encoder's work")
        return "mixed"
    thinned = _error_rate(loaded, utterances, settings, "thinned")
    found += f", of {thinned:.1%} on 30 s with thinned silence"
    if is_as_good(thinned, full):
        kept = silence_kept("thinned", loaded.context_margin)
        spared = _saving(train.durations, kept) * (1 - 1 / MERGE_STRIDE)
        say(f"windows      thinned: {found}; thinning saves {spared:.0%} of the encoder's work")
        return "thinned"
    say(f"windows      30 s: {found}")
    return "full"


def _saving(durations: np.ndarray, margin: Seconds) -> float:
    """Share of the 30 s windows that is neither speech nor margin."""
    return 1 - float(np.minimum(durations + margin, WINDOW_SECONDS).mean()) / (WINDOW_SECONDS)


def _some(utterances: Sequence[Utterance]) -> list[Utterance]:
    """A few from all over."""
    places = np.unique(np.linspace(0, len(utterances) - 1, PROBED).round().astype(int))
    return [utterances[place] for place in places.tolist()]


def _error_rate(
    loaded: LoadedModel,
    utterances: Sequence[Utterance],
    settings: TrainSettings,
    audio_context: WindowKind,
) -> float:
    """Corpus error rate of greedy text on windows of one kind; empty references count as well."""
    decoding = Decoding(
        language=settings.language,
        task=settings.task,
        batch_size=settings.per_device_eval_batch_size,
        audio_context=audio_context,
        num_workers=settings.num_workers,
    )
    what = {"full": "30 s windows", "dynamic": "cut windows", "thinned": "thinned silence"}
    score = score_of(loaded, utterances, decoding, desc=f"base model, {what[audio_context]}")
    return float(score.rate if score.rate is not None else score.errors.sum())
