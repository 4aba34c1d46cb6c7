"""Processes that answer one question after another, and are replaced when they die.

Why processes and not threads: the loop that generates tokens is Python, and would take turns with
the event loop for one interpreter; engines in C end a process when they fail; and decoding that
does not end can be stopped only by ending its process. They are forks of a server process that has
loaded the libraries, so that a new one is there in a moment and their memory is shared.
"""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from utils.cli.chatter import silence_libraries
from utils.cli.errors import Failure, UserError
from utils.serving.settings import ServerSettings

PRELOADED = ("utils.serving.reader", "utils.serving.recogniser")
_PLACE_OF_READER, _PLACE_OF_RECOGNISER = PRELOADED
_REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 600.0  # loading a large model from a slow disk


class Died(Exception):  # noqa: N818 (an event; who asked decides what it means)
    """The process ended before it answered."""


@dataclass(frozen=True)
class Role:
    """What a process is for.

    Attributes:
        name: in messages.
        module: that holds the class that answers.
        factory: the class: called with `arguments`, it has a method `answer(question)`, and may
            have `facts`, which are sent once it is ready.
        arguments: of the class; they can be pickled.
        threads: of torch; 0 leaves it to the library.
    """

    name: str
    module: str
    factory: str
    arguments: tuple[Any, ...] = ()
    threads: int = 0


READER = Role("reader", _PLACE_OF_READER, "Reader")


def recogniser(settings: ServerSettings, threads: int) -> Role:
    """The role of a process that holds models.

    Args:
        settings: of the server.
        threads: of torch.
    """
    return Role("recogniser", _PLACE_OF_RECOGNISER, "Recogniser", (settings,), threads)


def _context() -> Any:
    """A way to start processes that does not copy this one, whose threads a fork would not have."""
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    before = os.environ.get("PYTHONPATH")
    # The server finds the modules that it is to load, whatever folder this was started from.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_REPOSITORY), before]))
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


class Child:
    """A process that is started again when it has died.

    Args:
        role: what it does.
    """

    def __init__(self, role: Role) -> None:
        self.role = role
        self.facts: Any = None
        self.starts = 0
        self.process: Any = None
        self._pipe: Connection | None = None
        # Its own thread, in which the answers are waited for.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=role.name)

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            UserError: what it was given cannot work, such as a model that is not there.
            Failure: it died.
        """
        loop = asyncio.get_running_loop()
        self.process, self._pipe = await loop.run_in_executor(self._thread, self._start)
        self.starts += 1
        try:
            found = await asyncio.wait_for(self._receive(), START_SECONDS)
        except (Died, asyncio.TimeoutError):
            self.kill()
            raise Failure(
                f"a {self.role.name} process ended while it started (exit code "
                f"{self.process.exitcode})",
                "Is there memory enough for --num_workers models?",
            ) from None
        if isinstance(found, BaseException):
            raise found
        self.facts = found

    def _start(self) -> tuple[Any, Connection]:
        if self._pipe is not None:
            self._pipe.close()
        context = _context()
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self.role, theirs), daemon=True)
        process.start()
        # Only the child holds its end now, so that its death ends the pipe.
        theirs.close()
        return process, ours

    async def ask(self, question: Any, timeout: float | None = None) -> Any:
        """Send a question and wait for its answer.

        A question whose asker is cancelled is still answered before the next one is sent.

        Args:
            question: that can be pickled.
            timeout: seconds after which the process is ended.

        Raises:
            Died: it ended before it answered, or did not answer in time.
            UserError: the answer, where the question's content is at fault.
        """
        answering = asyncio.ensure_future(self._exchange(question))
        try:
            found = await asyncio.wait_for(asyncio.shield(answering), timeout)
        except asyncio.TimeoutError:
            self.kill()
            answering.cancel()
            raise Died(f"no answer in {timeout:g} s") from None
        if isinstance(found, BaseException):
            raise found
        return found

    async def _exchange(self, question: Any) -> Any:
        loop = asyncio.get_running_loop()
        pipe = self._pipe

        def exchange() -> Any:
            if pipe is None:
                raise EOFError
            pipe.send(question)
            return pipe.recv()

        try:
            return await loop.run_in_executor(self._thread, exchange)
        except (EOFError, OSError):
            raise Died(f"exit code {self.process.exitcode}") from None

    async def _receive(self) -> Any:
        pipe = self._pipe
        assert pipe is not None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, pipe.recv)
        except (EOFError, OSError):
            raise Died("it ended") from None

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.is_alive()

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.process.kill()

    def close(self) -> None:
        """End the process and wait for its end."""
        if self._pipe is not None:
            self._pipe.close()
        if self.process is not None:
            self.process.join(2.0)
            self.process.kill()
            self.process.join()
        self._thread.shutdown(wait=False)


class Readers:
    """Processes of which any may take the next question.

    Args:
        role: of all.
        count: how many.
    """

    def __init__(self, role: Role, count: int) -> None:
        self.children = [Child(role) for _ in range(count)]
        self._free: asyncio.Queue[Child] = asyncio.Queue()

    async def start(self) -> None:
        """Start all of them; raises as `Child.start`."""
        await asyncio.gather(*(child.start() for child in self.children))
        for child in self.children:
            self._free.put_nowait(child)

    async def ask(self, question: Any, timeout: float) -> Any:
        """Ask the next one that is free; raises as `Child.ask`."""
        child = await self._free.get()
        # One whose asker leaves is free only when it has answered.
        return await asyncio.shield(asyncio.ensure_future(self._ask(child, question, timeout)))

    async def _ask(self, child: Child, question: Any, timeout: float) -> Any:
        try:
            if not child.is_alive:
                await child.start()
            return await child.ask(question, timeout)
        except Died:
            await child.start()
            raise
        finally:
            self._free.put_nowait(child)

    def close(self) -> None:
        """End them."""
        for child in self.children:
            child.close()


def _serve(role: Role, pipe: Connection) -> None:
    """Answer questions until the other end is closed: what happens in the process."""
    # Ctrl-C and a stop of the whole group are the server's to handle: it finishes what it began.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    silence_libraries()
    try:
        worker = _worker(role)
    except (UserError, Failure) as error:
        pipe.send(error)
        return
    pipe.send(getattr(worker, "facts", None))
    answer: Callable[[Any], Any] = worker.answer
    while True:
        try:
            question = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            found = answer(question)
        except (UserError, Failure) as error:
            found = error
        try:
            pipe.send(found)
        except (BrokenPipeError, OSError):
            return


def _worker(role: Role) -> Any:
    if role.threads:
        import torch

        torch.set_num_threads(role.threads)
    return getattr(importlib.import_module(role.module), role.factory)(*role.arguments)
