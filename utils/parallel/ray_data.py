"""One function over many items with Ray Data, on the cores of this machine or of a cluster.

Ray is an extra (requirements/ray.txt). It is asked for a cluster where RAY_ADDRESS names one, and
started on this machine otherwise. Every machine must see the same files under the same names.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from utils.cli.errors import Failure, UserError
from utils.cli.extras import how_to

Item = TypeVar("Item")
Answer = TypeVar("Answer")

Engine = Literal["local", "ray"]
"""Where work is done: by processes of this machine, or by Ray Data."""

REPOSITORY = Path(__file__).resolve().parents[2]
# Kept in memory by Ray on this machine; what is more goes to the disk.
STORE_BYTES = 256 << 20
# Answers arrive block by block: many are smooth, fewer cost less.
MOST_BLOCKS = 1000


def ray_map(
    work: Callable[[Item], Answer],
    items: Sequence[Item],
    num_workers: int | None,
    *,
    wants_gpu: bool = False,
) -> Iterator[Answer]:
    """Do something with each of many items.

    Args:
        work: a function of a module, or an object of one that can be pickled; it is made once for
            each worker, which may keep what it loads.
        items: what to work on; pickled.
        num_workers: cores of this machine to use, None for all; a cluster's are all used.
        wants_gpu: give each worker a GPU where there are any.

    Yields:
        The answer for each item, in the order of `items`.

    Raises:
        UserError: Ray is not installed; or what `work` raises.
        Failure: a worker died.
    """
    if not items:
        return
    ray = _started(num_workers)
    tasks = [{"task": pickle.dumps(item)} for item in items]
    most = max(1, int(ray.cluster_resources().get("CPU", 1)))
    gpus = int(ray.cluster_resources().get("GPU", 0)) if wants_gpu else 0
    workers = min(gpus or most, len(tasks))
    answers = ray.data.from_items(tasks, override_num_blocks=min(len(tasks), MOST_BLOCKS)).map(
        _Worker,
        fn_constructor_args=(pickle.dumps(work), os.getcwd()),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
        num_cpus=1,
        num_gpus=1 if gpus else 0,
    )
    try:
        for row in answers.iter_rows():
            answer = pickle.loads(row["answer"])
            if isinstance(answer, _Raised):
                raise answer.error
            yield answer
    except ray.exceptions.RayError as error:
        if isinstance(error, ray.exceptions.RayTaskError):
            raise  # a bug: its traceback is needed
        raise Failure(
            f"a Ray worker died, perhaps for want of memory: {type(error).__name__}",
            "run it again with fewer workers, or with --engine=local to see which file it is",
        ) from None


def spread(
    work: Callable[[Item], Answer],
    items: Sequence[Item],
    engine: Engine,
    num_workers: int | None = None,
    *,
    wants_gpu: bool = False,
) -> Iterator[Answer]:
    """Do something with each of many items in this process, or with Ray; see `ray_map`."""
    if engine == "ray":
        return ray_map(work, items, num_workers, wants_gpu=wants_gpu)
    return map(work, items)


class _Raised(NamedTuple):
    """What `work` raised for the user; it is raised again where the user is."""

    error: UserError | Failure


class _Worker:
    """Does the work in a process of Ray's, in the folder that relative paths are relative to."""

    def __init__(self, work: bytes, folder: str) -> None:
        os.chdir(folder)
        self._work: Callable[[Any], Any] = pickle.loads(work)

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        answer: Any
        try:
            answer = self._work(pickle.loads(row["task"]))
        except (UserError, Failure) as error:
            answer = _Raised(error)
        return {"answer": pickle.dumps(answer)}


def _started(num_workers: int | None) -> Any:
    """Return Ray's module, connected to a cluster or started here.

    Raises:
        UserError: Ray is not installed.
    """
    # Nothing is sent over the internet.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError(
            "--engine=ray needs Ray, which is not installed",
            f"{how_to('ray')}, or leave --engine out",
        ) from None
    if not ray.is_initialized():
        is_cluster = bool(os.environ.get("RAY_ADDRESS"))
        here: dict[str, Any] = {
            "address": "local",
            "num_cpus": None if num_workers is None else max(1, num_workers),
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
        }
        try:
            ray.init(
                **({} if is_cluster else here),
                runtime_env={"env_vars": {"PYTHONPATH": str(REPOSITORY)}},
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # Ray's own kind for a node that takes over 30 s to start
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise Failure(f"Ray could not be started: {reason}", "try again") from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # the callers show their own
    context.execution_options.preserve_order = True
    return ray
