"""What transcribing cost: speed, latency, memory of the model, and what it was measured on.

Counted are batches that were decoded now, from samples to text, after a warm-up that does not
count, and with the device waited for before each look at the clock. What came from the cache has
no cost. A latency is the time of an utterance that was decoded alone; where batches held several,
theirs is the time of a batch. Memory is counted from the level before the model was loaded, so that
a model is not charged with those before it.
"""

from __future__ import annotations

import ctypes
import gc
import math
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

PERCENTILES = (50, 90, 95, 99)
# Fewest values for each percentile: with fewer, no measured value lies above it.
FEWEST = {50: 2, 90: 10, 95: 20, 99: 100}
# Each utterance is decoded once.
REPEATS = 1
_PROCESSOR = Path("/proc/cpuinfo")
_PROCESS_STATUS = Path("/proc/self/status")
_CLEAR_REFERENCES = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # see proc(5)


@dataclass(frozen=True)
class BatchCost:
    """One decoded batch.

    Attributes:
        seconds: from samples to text.
        clips: how many it held.
        audio_seconds: of them together.
        tokens: generated for them.
        rank: the process that decoded it.
    """

    seconds: float
    clips: int
    audio_seconds: float
    tokens: int
    rank: int = 0


@dataclass(frozen=True)
class Cost:
    """What the decoding of a test set cost.

    Attributes:
        utterances: decoded now; the others came from the cache.
        cached_utterances: that came from the cache and are in none of the figures.
        audio_seconds: of the utterances decoded now.
        work_seconds: of the process that was busy longest.
        real_time_factor: work_seconds over audio_seconds; None where nothing was decoded.
        tokens_per_second: None where nothing was decoded.
        latency_seconds: percentile ("p50") -> seconds of an utterance; empty where utterances
            were decoded together.
        peak_memory_bytes: of the GPU where there is one, else of the process; the largest of the
            processes. None where the system does not tell.
        processes: that shared the work.
        rtfx: audio_seconds over work_seconds.
        batch_size: utterances in the largest batch.
        batch_seconds: percentile -> seconds of a batch; empty where utterances were decoded alone.
        model_memory_bytes: the peak above the level before the model was loaded.
        repeats: how often each utterance was decoded.
        device: its name.
        threads: of a process, on its CPU.
        libraries: with their versions.
    """

    utterances: int
    cached_utterances: int
    audio_seconds: float
    work_seconds: float
    real_time_factor: float | None
    tokens_per_second: float | None
    latency_seconds: dict[str, float]
    peak_memory_bytes: int | None
    processes: int = 1
    rtfx: float | None = None
    batch_size: int = 0
    batch_seconds: dict[str, float] = field(default_factory=dict)
    model_memory_bytes: int | None = None
    repeats: int = REPEATS
    device: str = ""
    threads: int = 0
    libraries: str = ""

    def to_json(self) -> dict[str, Any]:
        """The `cost` object of a score in results.json."""
        return asdict(self)


@dataclass(frozen=True)
class Measured:
    """What a process knows beside the times of its batches.

    Attributes:
        peak_memory_bytes: since the model was loaded or the last test set ended.
        model_memory_bytes: the same above the level before the model was loaded.
        device: its name; "" of a process that decoded nothing.
        threads: of the process.
        libraries: with their versions.
    """

    peak_memory_bytes: int | None = None
    model_memory_bytes: int | None = None
    device: str = ""
    threads: int = 0
    libraries: str = ""


def summarize(
    batches: Sequence[BatchCost], cached_utterances: int, measured: Sequence[Measured] = ()
) -> Cost:
    """Add batches up.

    Args:
        batches: of all processes.
        cached_utterances: that were not decoded.
        measured: one a process.
    """
    busy: dict[int, float] = {}
    for batch in batches:
        busy[batch.rank] = busy.get(batch.rank, 0.0) + batch.seconds
    work = max(busy.values(), default=0.0)
    audio = sum(batch.audio_seconds for batch in batches)
    largest = max((batch.clips for batch in batches), default=0)
    times = _percentiles([batch.seconds for batch in batches])
    worked = [each for each in measured if each.device]
    first = worked[0] if worked else Measured()
    return Cost(
        utterances=sum(batch.clips for batch in batches),
        cached_utterances=cached_utterances,
        audio_seconds=round(audio, 3),
        work_seconds=work,
        real_time_factor=work / audio if audio else None,
        tokens_per_second=sum(batch.tokens for batch in batches) / work if work else None,
        latency_seconds=times if largest == 1 else {},
        peak_memory_bytes=_largest(each.peak_memory_bytes for each in worked),
        processes=max(len(measured), 1),
        rtfx=audio / work if work else None,
        batch_size=largest,
        batch_seconds=times if largest > 1 else {},
        model_memory_bytes=_largest(each.model_memory_bytes for each in worked),
        device=first.device,
        threads=first.threads,
        libraries=first.libraries,
    )


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": percentile(values, p) for p in PERCENTILES if len(values) >= FEWEST[p]}


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.

    Example:
        >>> percentile([3.0, 1.0, 2.0, 4.0], 50)
        2.0
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no percentile of no values")
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


class Stopwatch:
    """Seconds of a piece of work, the device waited for on both sides.

    Args:
        synchronize: returns when the device has done what it was given.
    """

    def __init__(self, synchronize: Any) -> None:
        self.synchronize = synchronize
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure the block into `seconds`."""
        self.synchronize()
        began = time.perf_counter()
        yield
        self.synchronize()
        self.seconds = time.perf_counter() - began


class MemoryMeter:
    """Memory of one model: made before it is loaded, read when a test set is done."""

    def __init__(self) -> None:
        release_memory()
        self.before = held_memory_bytes()

    def measured(self, libraries: str) -> Measured:
        """What this process knows now.

        Args:
            libraries: that did the work, with their versions.
        """
        peak = peak_memory_bytes()
        above = None if peak is None or self.before is None else max(peak - self.before, 0)
        return Measured(peak, above, device_name(), torch.get_num_threads(), libraries)


def device_name() -> str:
    """Name the GPU where there is one, else the processor."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    with suppress(OSError):
        for line in _PROCESSOR.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine() or "CPU"


def release_memory() -> None:
    """Give back what earlier models held, as far as the system can."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)


def reset_peak_memory() -> None:
    """Let the peak begin anew, where the system can."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError):  # not Linux, or not allowed: the peak is that of the whole process
        _CLEAR_REFERENCES.write_text(_RESET_PEAK)


def held_memory_bytes() -> int | None:
    """What is held now: on the GPU, or else resident in this process; None if unknown."""
    if torch.cuda.is_available():
        return int(torch.cuda.memory_allocated())
    return _status_bytes("VmRSS:")


def peak_memory_bytes() -> int | None:
    """The most memory held since the last reset: on the GPU, or else resident in this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = _status_bytes("VmHWM:")
    return _peak_of_the_process() if peak is None else peak


def _status_bytes(name: str) -> int | None:
    with suppress(OSError, StopIteration):
        status = _PROCESS_STATUS.read_text()
        kilobytes = next(line for line in status.splitlines() if line.startswith(name))
        return int(kilobytes.split()[1]) * 1024
    return None


def _peak_of_the_process() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
