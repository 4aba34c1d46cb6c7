"""Which windows are decoded together, and by whom: dynamic batching of concurrent requests.

A worker that becomes free takes the next batch at once; what arrives while all are busy forms the
batches after it. So nobody waits for a batch to fill, and the busier the server, the larger the
batches. Requests take turns: each gives one window to a batch before any gives a second, and goes
to the end of the line. So a recording of hours delays a short one by a batch, not by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from utils.audio.load import SAMPLE_RATE
from utils.cli.console import say
from utils.cli.errors import Failure, UserError
from utils.serving.errors import Refused
from utils.serving.messages import Batch, ModelFacts, Options, Texts, Window
from utils.serving.processes import Child, Died
from utils.transcription.transcript import ClipTranscript

ATTEMPTS = 2
"""How often a window is given to a worker before it is refused: one that ends the process whenever
it is decoded must not do so forever."""
LONG_SECONDS = 10.0
MOST_LONG_WINDOWS = 4
"""Windows over ten seconds are decoded so many at a time on a CPU: more cost memory and time for
those that wait, and save little."""
WATCH_SECONDS = 0.5
RESTART_SECONDS = 5.0  # between attempts to start a worker anew


Found = ClipTranscript | str | Refused | None
"""Of a window: its transcript, or why there is none; its language where only that is wanted."""


@dataclass(eq=False)
class Job:
    """A request's windows.

    Attributes:
        options: of all.
        windows: in order.
        on_text: told what was found of each window, by its number, in any order.
        languages_only: whether only languages are wanted.
    """

    options: Options
    windows: Sequence[Window]
    on_text: Callable[[int, Found], None]
    languages_only: bool = False
    pending: deque[int] = field(default_factory=deque)
    attempts: dict[int, int] = field(default_factory=dict)
    is_cancelled: bool = False

    def __post_init__(self) -> None:
        self.pending = deque(range(len(self.windows)))


Entry = tuple[Job, int]
"""A window: its request and its number there."""


class Line:
    """The requests whose windows wait, in the order in which they are served.

    Args:
        facts: of each model, by name.
        batch_size: most windows of a batch.
        most_long: most windows of a batch if they are long.
    """

    def __init__(self, facts: dict[str, ModelFacts], batch_size: int, most_long: int) -> None:
        self.facts = facts
        self.batch_size = batch_size
        self.most_long = most_long
        self.jobs: deque[Job] = deque()
        self._arrived = asyncio.Event()

    def add(self, job: Job) -> None:
        """Put a request at the end."""
        self.jobs.append(job)
        self._arrived.set()

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Give windows of a batch that failed to the next worker, before all others."""
        for job, number in reversed(entries):
            job.pending.appendleft(number)
            if job not in self.jobs:
                self.jobs.appendleft(job)
        self._arrived.set()

    def remove(self, job: Job) -> None:
        """Forget a request."""
        job.is_cancelled = True
        job.pending.clear()
        if job in self.jobs:
            self.jobs.remove(job)

    @property
    def waiting(self) -> int:
        """Windows that wait."""
        return sum(len(job.pending) for job in self.jobs)

    async def next_batch(self) -> list[Entry]:
        """Wait for windows, and take those of the next batch: never none."""
        while not self.jobs:
            self._arrived.clear()
            await self._arrived.wait()
        return self._take()

    def _take(self) -> list[Entry]:
        first = self.jobs[0]
        shape = self._shape(first, first.pending[0])
        is_long = first.windows[first.pending[0]].samples > LONG_SECONDS * SAMPLE_RATE
        room = min(self.batch_size, self.most_long) if is_long else self.batch_size
        taken: list[Entry] = []
        served: list[Job] = []
        found = True
        while found and len(taken) < room:
            found = False
            for job in self.jobs:
                if len(taken) == room:
                    break
                number = next((n for n in job.pending if self._shape(job, n) == shape), None)
                if number is None:
                    continue
                job.pending.remove(number)
                taken.append((job, number))
                found = True
                if job not in served:
                    served.append(job)
        for job in served:
            self.jobs.remove(job)
            if job.pending:
                self.jobs.append(job)
        return taken

    def _shape(self, job: Job, number: int) -> tuple[Any, ...]:
        """What windows of one batch have in common."""
        length = self.facts[job.options.model].length_of(job.windows[number].samples)
        # What a worker died of is found out one by one.
        alone = (id(job), number) if number in job.attempts else None
        return job.options.decoding, job.languages_only, length, alone


@dataclass
class Counts:
    """What the scheduler did so far, for the metrics.

    Attributes:
        batches: number of batches by their size.
        restarts: workers that were replaced.
        audio_seconds: of the windows that were decoded.
        busy_seconds: of all workers.
    """

    batches: dict[int, int] = field(default_factory=dict)
    restarts: int = 0
    audio_seconds: float = 0.0
    busy_seconds: float = 0.0


class Scheduler:
    """Gives batches to workers.

    Args:
        workers: processes that recognise, started.
        line: of requests.
        timeout: seconds that a batch may take.
    """

    def __init__(self, workers: Sequence[Child], line: Line, timeout: float) -> None:
        self.workers = workers
        self.line = line
        self.timeout = timeout
        self.counts = Counts()
        self._locks = [asyncio.Lock() for _ in workers]
        self._tasks = [
            asyncio.ensure_future(task(worker, lock))
            for worker, lock in zip(workers, self._locks, strict=True)
            for task in (self._work, self._watch)
        ]

    @property
    def is_ready(self) -> bool:
        """Whether a worker runs."""
        return any(worker.is_alive for worker in self.workers)

    async def close(self) -> None:
        """Give out no further batches."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, worker: Child, lock: asyncio.Lock) -> None:
        while True:
            entries = await self.line.next_batch()
            async with lock:
                await self._decode(worker, entries)

    async def _watch(self, worker: Child, lock: asyncio.Lock) -> None:
        """Replace a worker that died while it had nothing to do."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            async with lock:
                if not worker.is_alive:
                    await self._replace(worker)

    async def _decode(self, worker: Child, entries: Sequence[Entry]) -> None:
        loop = asyncio.get_running_loop()
        job = entries[0][0]
        windows = tuple(job.windows[number] for job, number in entries)
        batch = Batch(job.options.decoding, windows, job.languages_only)
        begin = loop.time()
        found: Sequence[Found]
        try:
            texts: Texts = await worker.ask(batch, self.timeout)
            found = texts.languages if batch.languages_only else texts.found
        except Died as error:
            say(f"a worker died and is replaced: {error}")
            self._try_again(entries)
            await self._replace(worker)
            return
        except (UserError, Failure) as error:
            found = [error.message] * len(entries)
        self._count(windows, loop.time() - begin)
        for (job, number), text in zip(entries, found, strict=True):
            if not job.is_cancelled:
                job.on_text(number, text)

    def _try_again(self, entries: Sequence[Entry]) -> None:
        """Decode the windows of a worker that died elsewhere; those that had their chance fail."""
        again = []
        for job, number in entries:
            job.attempts[number] = job.attempts.get(number, 0) + 1
            if job.is_cancelled:
                continue
            if job.attempts[number] < ATTEMPTS:
                again.append((job, number))
            else:
                refusal = "The process that recognised this sound ended, twice. Try again later."
                job.on_text(number, Refused(503, refusal))
        self.line.put_back(again)

    async def _replace(self, worker: Child) -> None:
        while True:
            self.counts.restarts += 1
            try:
                await worker.start()
                return
            except (UserError, Failure) as error:
                say(f"a worker cannot be replaced: {error.message}")
                await asyncio.sleep(RESTART_SECONDS)

    def _count(self, windows: Sequence[Window], seconds: float) -> None:
        counts = self.counts
        counts.batches[len(windows)] = counts.batches.get(len(windows), 0) + 1
        counts.audio_seconds += sum(window.samples for window in windows) / SAMPLE_RATE
        counts.busy_seconds += seconds
