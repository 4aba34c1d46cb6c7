"""The audio context that `auto` takes for a model that does not say what it was trained for.

Models of the hub were trained on windows of 30 s, most of which is silence where clips are short.
The same look that finetune.py takes (`utils/model/audio_context/choice.py`) tells whether thinned
windows serve as well: the model's loss on a few references of the test set, on each kind of window.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

from utils.cli.console import is_main_process, say
from utils.cli.files import atomic_write
from utils.evaluation.models_and_sets import Model, TestSet
from utils.manifest.durations import known_durations
from utils.model.audio_context.choice import context_losses, spread_over
from utils.model.distributed import broadcast_object
from utils.model.loaded import stated_context
from utils.transcription.cache import code_version, hash_of
from utils.transcription.decoding import AudioContext
from utils.transcription.engines.registry import ENGINES, Engine, engine_kind
from utils.transcription.engines.transformers import TransformersEngine

FEWEST_CLIPS = 32
"""Fewer are transcribed on 30 s in the time that the look takes."""
LONGEST_MEAN = 20.0
"""Seconds: longer clips leave little silence to save."""


def suited_context(
    open_engine: Callable[[], Engine],
    model: Model,
    test_set: TestSet,
    cache_dir: Path | None,
    fingerprint: tuple[str, ...] | None,
) -> AudioContext:
    """What `auto` means for a model on a test set.

    Args:
        open_engine: loads the model; not called where the answer is remembered or needs no look.
        model: its name is said.
        test_set: a few of its references are looked at.
        cache_dir: remembers the answer; None keeps nothing.
        fingerprint: of the model's files; None keeps nothing.

    Returns:
        "auto" for what the model says itself, and where nothing is to be gained; else "thinned" or
        "full".
    """
    by_transformers = engine_kind(model.path) is ENGINES["transformers"]
    if not by_transformers or not _is_worth_it(test_set):
        return "auto"
    kept = None
    if cache_dir is not None and fingerprint is not None:
        version = code_version()["code"]
        name = hash_of([fingerprint, test_set.sha256, test_set.settings.language_code, version])
        kept = cache_dir / f"context-{name[:16]}.json"
    answer: tuple[AudioContext, str] | None = None
    if is_main_process():
        answer = _remembered(kept)
        if answer is None:
            answer = _look(open_engine(), test_set)
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(kept) as file:
                    json.dump(answer, file)
    context, why = broadcast_object(answer)
    if why:
        say(
            f"windows      {model.name} on {test_set.name}: {context}: {why}; "
            "--audio_context=full computes all of the 30 s"
        )
    return cast(AudioContext, context)


def _look(engine: Engine, test_set: TestSet) -> tuple[AudioContext, str]:
    """The context, and why; without a reason where the model says it itself."""
    assert isinstance(engine, TransformersEngine)
    loaded = engine.loaded
    if loaded.is_adapter or stated_context(loaded) is not None:
        return "auto", ""
    losses = context_losses(
        loaded,
        [each for each in test_set.utterances if test_set.languages[each.id]],
        language=test_set.settings.language_code,
        task=test_set.settings.task,
    )
    return "thinned" if losses.is_as_good("thinned") else "full", str(losses)


def _is_worth_it(test_set: TestSet) -> bool:
    """Whether the clips are many, and short."""
    if len(test_set.utterances) < FEWEST_CLIPS:
        return False
    some = known_durations(spread_over(test_set.utterances, FEWEST_CLIPS))
    known = [seconds for seconds in some if seconds is not None]
    return bool(known) and sum(known) / len(known) <= LONGEST_MEAN


def _remembered(kept: Path | None) -> tuple[AudioContext, str] | None:
    try:
        context, why = json.loads(kept.read_text(encoding="utf-8")) if kept else (None, "")
    except (OSError, ValueError, TypeError):
        return None
    return (context, why) if context in ("auto", "thinned", "full") else None
