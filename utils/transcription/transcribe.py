"""Utterances to text, by one model, on one process or many.

Batches are formed from all utterances first and dealt out whole, so that what a clip is batched
with, and therefore its text to the last bit, depends neither on the number of processes nor on
what is in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from utils.audio.features import SAMPLE_RATE
from utils.cli.console import is_main_process, process_rank
from utils.cli.progress import progress
from utils.manifest.durations import known_durations
from utils.manifest.utterance import Utterance
from utils.model.distributed import broadcast_object, gather_all, share_of
from utils.model.loaded import LoadedModel
from utils.scoring.predictions import Prediction
from utils.transcription.cache import PredictionCache, batch_keys, restore
from utils.transcription.clips import Clip, read_ahead, read_clip
from utils.transcription.cost import (
    BatchCost,
    Cost,
    Measured,
    MemoryMeter,
    Stopwatch,
    reset_peak_memory,
    summarize,
)
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import Engine
from utils.transcription.engines.transformers import TransformersEngine
from utils.transcription.windows import WindowDecoder, failed_prediction

__all__ = ["Decoding", "Transcribed", "transcribe", "transcribe_with_engine"]

Batch = list[int]
"""Places of utterances, longest first."""


@dataclass(frozen=True)
class Transcribed:
    """What a model transcribed, complete on every process.

    Attributes:
        predictions: one an utterance, in their order.
        cost: of what was decoded now.
    """

    predictions: list[Prediction]
    cost: Cost


def transcribe(
    loaded: LoadedModel,
    utterances: Sequence[Utterance],
    decoding: Decoding,
    *,
    desc: str | None = "transcribing",
) -> list[Prediction]:
    """Transcribe with a model that is already loaded, and keep nothing.

    Args:
        loaded: the model; it is used where and in the mode it is in.
        utterances: any order, any length of list, any duration.
        decoding: how.
        desc: label of the progress bar; None shows none.

    Returns:
        One prediction an utterance, in their order, complete on every process. What could not be
        read has status "failed" and an empty hypothesis.

    Raises:
        UserError: if an utterance is in a language the model lacks.
    """
    engine = TransformersEngine(loaded)
    return transcribe_with_engine(lambda: engine, utterances, decoding, desc=desc).predictions


def transcribe_with_engine(
    open_engine: Callable[[], Engine],
    utterances: Sequence[Utterance],
    decoding: Decoding,
    *,
    cache: PredictionCache | None = None,
    meter: MemoryMeter | None = None,
    desc: str | None = "transcribing",
) -> Transcribed:
    """Transcribe what the cache does not hold yet.

    Args:
        open_engine: loads the model; not called where the cache holds everything.
        utterances: any order, any length of list, any duration.
        decoding: how.
        cache: of this model and these settings; None keeps nothing.
        meter: made before the model was loaded, where the cost will be reported: the model is
            then warmed up, and the memory's peak begins anew.
        desc: label of the progress bar; None shows none.

    Raises:
        UserError: if an utterance is in a language the model lacks, or the model cannot be loaded.
    """
    batches = make_batches(utterances, decoding.batch_size)
    keys: dict[int, list[str | None]] = {}
    found: dict[int, Prediction] = {}
    if cache is not None:
        keys = dict(enumerate(_keys_of(batches, utterances, decoding.num_workers)))
        found = _kept(cache, batches, keys, utterances)
    missing = [number for number, batch in enumerate(batches) if batch[0] not in found]
    records: list[BatchCost] = []
    measured = Measured()
    if missing:
        mine = share_of(missing)
        decoded: list[tuple[int, Prediction]] = []
        if mine:
            decoder = WindowDecoder(open_engine(), decoding)
            if meter:
                _warm_up(decoder, utterances[batches[mine[0]][0]])
                reset_peak_memory()  # loading may take more than the work, and only once
            work = [[utterances[place] for place in batches[number]] for number in mine]
            with ThreadPoolExecutor(max(decoding.num_workers, 1)) as pool:
                numbers: Iterable[int] = mine
                if desc is not None:
                    numbers = progress(mine, total=len(mine), desc=desc, unit="batch")
                for number, clips in zip(numbers, read_ahead(pool, work), strict=True):
                    predictions, record = _decode(decoder, clips)
                    records.append(record)
                    decoded += zip(batches[number], predictions, strict=True)
                    if cache is not None:
                        cache.append(keys[number], predictions)
            if meter:
                measured = meter.measured(_libraries(decoder.engine))
        found.update(gather_all(decoded))
    cached = len(utterances) - sum(len(batches[number]) for number in missing)
    cost = summarize(gather_all(records), cached, gather_all([measured]))
    return Transcribed([found[place] for place in range(len(utterances))], cost)


def make_batches(utterances: Sequence[Utterance], batch_size: int) -> list[Batch]:
    """Group utterances of similar duration, longest first."""
    durations = [seconds or 0.0 for seconds in known_durations(list(utterances))]
    order = sorted(range(len(utterances)), key=lambda i: (-durations[i], i))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def _keys_of(
    batches: Sequence[Batch], utterances: Sequence[Utterance], num_workers: int
) -> list[list[str | None]]:
    """Cache keys of all batches, on every process; the main one reads the files."""
    keys: list[list[str | None]] = []
    if is_main_process():
        with ThreadPoolExecutor(max(num_workers, 1)) as pool:
            work = ([utterances[place] for place in batch] for batch in batches)
            keys = list(pool.map(batch_keys, work))
    shared: list[list[str | None]] = broadcast_object(keys)
    return shared


def _kept(
    cache: PredictionCache,
    batches: Sequence[Batch],
    keys: dict[int, list[str | None]],
    utterances: Sequence[Utterance],
) -> dict[int, Prediction]:
    """Predictions of the batches that the cache holds whole, by the utterance's place."""
    found: dict[int, Prediction] = {}
    if is_main_process():
        entries = cache.read()
        for number, batch in enumerate(batches):
            named = keys[number]
            if any(named) and all(key is None or key in entries for key in named):
                for place, key in zip(batch, named, strict=True):
                    found[place] = (
                        failed_prediction(read_clip(utterances[place]))
                        if key is None
                        else restore(entries[key], utterances[place])
                    )
    shared: dict[int, Prediction] = broadcast_object(found)
    return shared


def _decode(decoder: WindowDecoder, clips: Sequence[Clip]) -> tuple[list[Prediction], BatchCost]:
    watch = Stopwatch(decoder.engine.synchronize)
    before = decoder.tokens
    with watch.running():
        predictions = decoder.decode(clips)
    audio_seconds = sum(clip.seconds for clip in clips)
    record = BatchCost(
        watch.seconds, len(clips), audio_seconds, decoder.tokens - before, process_rank()
    )
    each = watch.seconds / len(clips)
    return [
        p if p.status == "failed" else replace(p, work_seconds=each) for p in predictions
    ], record


def _libraries(engine: Engine) -> str:
    described = engine.describe()
    return f"{described['engine']}, {described['precision']}, torch {torch.__version__}"


def _warm_up(decoder: WindowDecoder, like: Utterance) -> None:
    """Decode a second of silence, so that the first batch pays for no threads and no kernels."""
    silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
    few = replace(decoder.decoding, max_new_tokens=2, temperature_fallback=False)
    WindowDecoder(decoder.engine, few).decode([Clip(like, silence)])
