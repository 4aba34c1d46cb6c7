"""Work for several processes, its answers in order, with only a few tasks waiting at a time."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from utils.cli.errors import Failure

Task = TypeVar("Task")
Answer = TypeVar("Answer")

# Enough that no process waits, few enough that ten million tasks need no more memory than ten.
TASKS_AHEAD = 4


def in_order(
    work: Callable[[Task], Answer],
    tasks: Iterable[Task],
    num_workers: int,
    hint: str = "run it again with --num_workers=1 to see at which file",
) -> Iterator[Answer]:
    """Do something with each of many tasks in several processes.

    Args:
        work: a function of a module (or a `functools.partial` of one), so that a process can be
            told of it.
        tasks: taken one by one, shortly before they are worked on.
        num_workers: how many processes; with 0 or 1 this one does the work.
        hint: what to do if one dies.

    Yields:
        The answers, in the order of the tasks.

    Raises:
        Failure: a worker died, as one does that runs out of memory.
    """
    if num_workers <= 1:
        yield from map(work, tasks)
        return
    # A fresh process each: forking one that has threads can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_workers, mp_context=context)
    waiting: deque[Future[Answer]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(work, task))
            if len(waiting) >= TASKS_AHEAD * num_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise Failure(
            f"one of {num_workers} processes that read data died, perhaps for want of memory",
            hint,
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
