"""What transcribing cost: real-time factor, latency, memory, tokens a second.

Counted are batches that were decoded now, from samples to text, after a warm-up that does not
count, and with the device waited for before each look at the clock. What came from the cache has
no cost.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

PERCENTILES = (50, 90, 95, 99)
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
        latency_seconds: percentile ("p50") -> seconds until an utterance's batch was done.
        peak_memory_bytes: of the GPU where there is one, else of the process; the largest of the
            processes. None where the system does not tell.
        processes: that shared the work.
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

    def to_json(self) -> dict[str, Any]:
        """The `cost` object of a score in results.json."""
        return asdict(self)


def summarize(
    batches: Sequence[BatchCost],
    cached_utterances: int,
    peak_memory_bytes: int | None,
    processes: int = 1,
) -> Cost:
    """Add batches up.

    Args:
        batches: of all processes.
        cached_utterances: that were not decoded.
        peak_memory_bytes: the largest of the processes.
        processes: that shared the work.
    """
    busy: dict[int, float] = {}
    for batch in batches:
        busy[batch.rank] = busy.get(batch.rank, 0.0) + batch.seconds
    work = max(busy.values(), default=0.0)
    audio = sum(batch.audio_seconds for batch in batches)
    latencies = [batch.seconds for batch in batches for _ in range(batch.clips)]
    return Cost(
        utterances=len(latencies),
        cached_utterances=cached_utterances,
        audio_seconds=round(audio, 3),
        work_seconds=work,
        real_time_factor=work / audio if audio else None,
        tokens_per_second=sum(batch.tokens for batch in batches) / work if work else None,
        latency_seconds={f"p{p}": percentile(latencies, p) for p in PERCENTILES if latencies},
        peak_memory_bytes=peak_memory_bytes if batches else None,
        processes=processes,
    )


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


def reset_peak_memory() -> None:
    """Let the peak begin anew, where the system can."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError):  # not Linux, or not allowed: the peak is that of the whole process
        _CLEAR_REFERENCES.write_text(_RESET_PEAK)


def peak_memory_bytes() -> int | None:
    """The most memory held since the last reset: on the GPU, or else resident in this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        status = _PROCESS_STATUS.read_text()
        kilobytes = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(kilobytes.split()[1]) * 1024
    except (OSError, StopIteration):
        return _peak_of_the_process()


def _peak_of_the_process() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
