"""A server that runs in this process, with real workers, for all tests of its interfaces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import soundfile

from utils.audio.clip import AudioRef
from utils.audio.load import load_audio
from utils.manifest.read import read_manifest
from utils.serving.run import Server, listen, running_service
from utils.serving.settings import ServerSettings


class Running:
    """A server in a thread of its own."""

    def __init__(self, settings: ServerSettings) -> None:
        self.loop = asyncio.new_event_loop()
        self.started = threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(settings,), daemon=True)
        self.thread.start()
        assert self.started.wait(300)
        if self.failure is not None:
            raise self.failure

    def _run(self, settings: ServerSettings) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve(settings))

    async def _serve(self, settings: ServerSettings) -> None:
        try:
            async with running_service(settings) as service:
                self.service = service
                listening = listen(settings.host, settings.port)
                self.server = Server(service, listening)
                self.url = self.server.url
                self.started.set()
                await self.server.serve()
        except BaseException as error:
            self.failure = error
            self.started.set()

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run something in the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def post(self, path: str, sound: Any, field: str = "audio", **fields: Any) -> Any:
        """Send a file with form fields."""
        content = sound.read_bytes() if isinstance(sound, Path) else sound
        files = {field: ("clip.wav", content)}
        return requests.post(self.url + path, files=files, data=fields, timeout=120)

    def texts(self, sound: Any, **fields: Any) -> list[str]:
        """What /recognition makes of a file."""
        answer = self.post("/recognition", sound, **fields)
        assert answer.status_code == 200, answer.text
        return [each["result"] for each in answer.json()["results"]]

    @contextmanager
    def settings(self, **changed: Any) -> Iterator[None]:
        """Other settings for a while."""
        before = self.service.settings
        self.service.settings = replace(before, **changed)
        try:
            yield
        finally:
            self.service.settings = before

    def files(self) -> list[Path]:
        """What is being worked on, or was left behind."""
        return list(self.service.folder.iterdir())

    def close(self) -> None:
        """Stop it."""
        self.loop.call_soon_threadsafe(self.server.stop)
        self.thread.join(120)
        assert not self.thread.is_alive()


@pytest.fixture(scope="session")
def start_server() -> Iterator[Callable[..., Running]]:
    """Start a server with settings of its own."""
    running: list[Running] = []

    def start(model: Any, **settings: Any) -> Running:
        given = {"local_files_only": True, "use_gpu": False, "port": 0, **settings}
        running.append(Running(ServerSettings(model_path=str(model), **given)))
        return running[-1]

    yield start
    for each in running:
        if each.thread.is_alive():
            each.close()


@pytest.fixture(scope="session")
def server(start_server: Any, demo_model: Path, tiny_model: Path) -> Running:
    """A server with the demo's model, and one of random weights, which is faster."""
    server: Running = start_server(f"base={demo_model},tiny={tiny_model}")
    return server


@pytest.fixture(scope="session")
def keyed(start_server: Any, tiny_model: Path) -> Iterator[Running]:
    """A server that asks for the key `sesame`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_SERVER_KEY", "sesame")
        yield start_server(tiny_model, api_key="TEST_SERVER_KEY")


@pytest.fixture(scope="session")
def clips(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Eight demo sentences in two languages."""
    folder = tmp_path_factory.mktemp("clips")
    found = []
    for language in ("zh", "en"):
        for each in list(read_manifest(demo_model.parent / language / "test.jsonl"))[:4]:
            found.append(folder / f"{each.id}.wav")
            soundfile.write(found[-1], load_audio(each.audio), 16_000)
    return found


@pytest.fixture(scope="session")
def talk(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty seconds of demo sentences with pauses."""
    import numpy as np

    sentences = list(read_manifest(demo_model.parent / "en" / "train.jsonl"))[:16]
    pieces = []
    for each in sentences:
        pieces += [load_audio(AudioRef(each.audio.path)), np.zeros(8000, np.float32)]
    path = tmp_path_factory.mktemp("talks") / "talk.wav"
    soundfile.write(path, np.concatenate(pieces), 16_000)
    return path
