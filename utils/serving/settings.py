"""Settings of `infer_server.py`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from utils.cli.errors import UserError

DEFAULT_ALIAS = "whisper-1"
"""Name that OpenAI's clients send; it is the first model's."""

_NAME = re.compile(r"[\w.:-]{1,128}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Where to listen, which models to serve, and how much to take."""

    host: str = "127.0.0.1"
    """Address to listen on. 0.0.0.0 lets other machines connect: set --api_key too."""
    port: int = 5000
    """Port to listen on."""
    model_path: str = "models/whisper-tiny-finetune"
    """Model, in any form that infer.py takes; several are separated by commas. A request names a
    model by the last part of its path, or by the name in name=path. The first is the default."""
    engine: str | None = None
    """Inference engine: transformers, ctranslate2, ggml or openai. None chooses it by the model's
    files."""
    language: str | None = None
    """Language of the speech, such as Chinese or zh, where a request states none. None detects
    it."""
    local_files_only: bool = False
    """Never ask the hub for a model."""

    use_gpu: bool = True
    """Compute on a GPU if there is one."""
    device: str | None = None
    """Device: cpu, cuda, cuda:1 or mps. None follows --use_gpu."""
    fp16: bool | None = None
    """Compute in half precision. None does so on a GPU. A CPU always computes in float32."""
    use_int8: bool = False
    """Quantise the linear weights to 8 bits."""
    beam_size: int = 1
    """Beams at temperature 0; 1 is greedy search."""
    vad_filter: bool = True
    """Cut recordings over 30 s at pauses, and leave out stretches in which a voice detector finds
    no speech."""

    num_workers: int = 1
    """Processes that recognise, each with models of its own. One is best on a GPU; on a CPU one for
    each two cores."""
    threads: int = 0
    """CPU threads of each of these processes; 0 divides the cores among them."""
    batch_size: int = 16
    """Most windows of concurrent requests that are decoded together."""
    max_requests: int = 256
    """Requests that may be in progress or waiting; further ones are answered with status 429."""
    max_upload_mb: float = 200.0
    """Largest upload, in megabytes."""
    max_audio_seconds: float = 7200.0
    """Longest recording, in seconds."""
    request_timeout: float = 600.0
    """Seconds that a request may take, its upload included."""
    max_live: int = 32
    """WebSocket connections that may be open for live text."""

    api_key: str | None = None
    """Name of the environment variable that holds the key which requests must send. None asks for
    no key."""
    collect: str | None = None
    """Folder in which corrections from the page are saved with their audio, as a manifest for
    finetune.py. None saves nothing."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise UserError(f"--port is {self.port}, expected 0 to 65535", "0 takes a free one")
        for name in ("num_workers", "batch_size", "max_requests", "beam_size"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}, expected at least 1")
        for name in ("threads", "max_live"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name} is {getattr(self, name)}, expected 0 or more")
        for name in ("max_upload_mb", "max_audio_seconds", "request_timeout"):
            if not getattr(self, name) > 0:
                raise UserError(f"--{name} is {getattr(self, name):g}, expected more than 0")
        _ = self.models, self.key

    @property
    def models(self) -> dict[str, str]:
        """Path of each model by the name that requests have for it, the default first.

        Raises:
            UserError: none is given, or two have one name.
        """
        found: dict[str, str] = {}
        for name, path in self._named_models():
            if not _NAME.fullmatch(name):
                raise UserError(
                    f"{name!r} cannot be a model's name in requests",
                    f"name it: --model_path=name={path} (letters, digits and . : _ -)",
                )
            if name in found:
                raise UserError(
                    f"two models are called {name}: {found[name]} and {path}",
                    f"name one of them: --model_path={found[name]},other={path}",
                )
            found[name] = path
        if not found:
            raise UserError("--model_path names no model", "give a model's folder")
        return found

    def _named_models(self) -> Iterator[tuple[str, str]]:
        for part in filter(None, (each.strip() for each in self.model_path.split(","))):
            name, mark, path = part.partition("=")
            yield (name, path) if mark and not os.path.exists(part) else (_last_part(part), part)

    @property
    def key(self) -> str | None:
        """The key that requests must send, from the environment.

        Raises:
            UserError: the environment has no such variable.
        """
        if self.api_key is None:
            return None
        key = os.environ.get(self.api_key, "")
        if not key:
            # The value is not repeated: it may be the key itself.
            raise UserError(
                "--api_key is to name an environment variable that holds the key; the one it "
                "names is not set",
                "export WHISPER_API_KEY=..., then --api_key=WHISPER_API_KEY",
            )
        return key

    @property
    def max_upload_bytes(self) -> int:
        """Largest upload, in bytes."""
        return round(self.max_upload_mb * 1_000_000)


def _last_part(path: str) -> str:
    """A model's name: the last folder of its path, with the run for a checkpoint's.

    >>> _last_part("models/whisper-tiny-finetune/"), _last_part("output/run/checkpoint-best")
    ('whisper-tiny-finetune', 'run-checkpoint-best')
    """
    parts = PurePath(path).parts
    last = parts[-1] if parts else ""
    is_checkpoint = last.startswith("checkpoint-") and len(parts) > 1
    return f"{parts[-2]}-{last}" if is_checkpoint else last
