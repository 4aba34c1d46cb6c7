"""Notices that reading and decoding sound is slower than training on it, and says so once."""

from __future__ import annotations

import statistics
import time
from types import TracebackType

from utils.cli.console import warn

WATCHED_STEPS = 20
"""Steps that are judged together."""
STARTING_STEPS = 3
"""Steps at the beginning that do not count: workers start, caches fill."""
TOLERATED_SHARE = 0.25
"""Share of the time that may pass in waiting for data."""


class LoaderWatch:
    """Measures how long the training waits for its next step; used around each wait.

    Args:
        workers: processes that read, as asked for by `--num_workers`.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.has_spoken = False
        self._steps_to_skip = STARTING_STEPS
        self._waits: list[float] = []
        self._computed: list[float] = []
        self._began = self._ended = 0.0

    def __enter__(self) -> LoaderWatch:
        self._began = time.perf_counter()
        if self._ended:
            self._computed.append(self._began - self._ended)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = time.perf_counter()
        self._waits.append(self._ended - self._began)
        if self._steps_to_skip:
            self._steps_to_skip -= 1
            self._waits, self._computed = [], []
        elif len(self._waits) == WATCHED_STEPS:
            self._judge()
            self._waits, self._computed = [], []

    def _judge(self) -> None:
        # The median, since a few of the steps also evaluate or write a checkpoint.
        computed = statistics.median(self._computed) * len(self._waits)
        waited = sum(self._waits)
        share = waited / max(waited + computed, 1e-9)
        if share <= TOLERATED_SHARE or self.has_spoken:
            return
        self.has_spoken = True
        more = max(2, 2 * self.workers)
        warn(
            f"{share:.0%} of the training time is spent waiting for data: reading and decoding "
            f"with --num_workers={self.workers} is slower than training. Give --num_workers={more} "
            "if the machine has the cores; else keep the sound as FLAC or WAV at 16 kHz, packed "
            "in few large files (a tar, with offset and size in the manifest) on a fast disk"
        )
