"""From settings to a server that runs: its processes, its folder, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn

from utils.cli.console import say
from utils.cli.errors import UserError
from utils.manifest.languages import language_code
from utils.serving.app import make_app
from utils.serving.processes import READER, Child, Readers, recogniser
from utils.serving.scheduler import MOST_LONG_WINDOWS, Line, Scheduler
from utils.serving.service import Service
from utils.serving.settings import ServerSettings

NUM_READERS = 2  # so that a recording of hours leaves one for others
KEEP_ALIVE_SECONDS = 30
BACKLOG = 2048


def serve(settings: ServerSettings) -> None:
    """Serve until Ctrl-C or SIGTERM; what was accepted by then is answered first.

    Args:
        settings: of the server.

    Raises:
        UserError: a model cannot be loaded, or the address is taken.
    """
    if settings.language:
        language_code(settings.language)
    listening = listen(settings.host, settings.port)
    asyncio.run(_serve(settings, listening))


async def _serve(settings: ServerSettings, listening: socket.socket) -> None:
    async with running_service(settings) as service:
        server = Server(service, listening)
        say(f"serving {', '.join(service.facts)} at {server.url}")
        await server.serve_until_stopped()
    say("stopped; what had been accepted was answered")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UserError: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"cannot listen on {host} port {port}: {reason}", "choose another --port or --host"
        ) from None
    return listening


@contextlib.asynccontextmanager
async def running_service(settings: ServerSettings) -> AsyncIterator[Service]:
    """A service whose processes run; all is ended and removed afterwards.

    Args:
        settings: of the server.

    Raises:
        UserError: a model cannot be loaded.
        Failure: a process ended while it started.
    """
    workers = [Child(_role(settings)) for _ in range(settings.num_workers)]
    readers = Readers(READER, NUM_READERS)
    scheduler: Scheduler | None = None
    with tempfile.TemporaryDirectory(prefix="whisper-server-") as folder:
        try:
            await asyncio.gather(readers.start(), *(worker.start() for worker in workers))
            facts = {each.name: each for each in workers[0].facts}
            on_gpu = any(each.on_gpu for each in facts.values())
            most_long = settings.batch_size if on_gpu else MOST_LONG_WINDOWS
            line = Line(facts, settings.batch_size, most_long)
            scheduler = Scheduler(workers, line, settings.request_timeout)
            yield Service(settings, facts, readers, scheduler, Path(folder))
        finally:
            if scheduler is not None:
                await scheduler.close()
            readers.close()
            for worker in workers:
                worker.close()


def _role(settings: ServerSettings) -> Any:
    threads = settings.threads
    if not threads and "OMP_NUM_THREADS" not in os.environ:
        threads = max(1, (os.cpu_count() or 1) // settings.num_workers)
    return recogniser(settings, threads)


class Server:
    """The HTTP server over a service.

    Args:
        service: that recognises.
        listening: socket.
    """

    def __init__(self, service: Service, listening: socket.socket) -> None:
        self.service = service
        self.listening = listening
        listening.listen(BACKLOG)
        host, port = listening.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        config = uvicorn.Config(
            make_app(service),
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws_max_size=1 << 24,
            # What is still going on then took longer than any request may.
            timeout_graceful_shutdown=round(service.settings.request_timeout) + 5,
        )
        self.server = _Quiet(config)

    async def serve_until_stopped(self) -> None:
        """Serve until a signal comes, or `stop` is called."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self.stop)
        try:
            await self.serve()
        finally:
            for each in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(each)

    async def serve(self) -> None:
        """Serve until `stop` is called."""
        await self.server.serve(sockets=[self.listening])

    def stop(self) -> None:
        """Take no further requests, and end when those that were accepted are answered."""
        if self.service.is_stopping:
            self.server.force_exit = True  # the second Ctrl-C
            return
        self.service.is_stopping = True
        self.server.should_exit = True


class _Quiet(uvicorn.Server):
    """A server that leaves the signals to `Server`."""

    def capture_signals(self) -> Any:
        """No signal is captured."""
        return contextlib.nullcontext()
