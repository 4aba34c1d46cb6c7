"""The models that a process loads: each by itself, adapters of one base on one copy of it."""

from __future__ import annotations

from pathlib import Path

from utils.model.folders import read_base_path
from utils.serving.settings import ServerSettings
from utils.transcription.engines.adapters import open_adapters
from utils.transcription.engines.registry import Engine, engine_kind, only_file
from utils.transcription.engines.whisper_cpp import WhisperCpp
from utils.transcription.infer.model import compute_of, decoding_of, open_decoder
from utils.transcription.infer.settings import InferSettings


def infer_settings(settings: ServerSettings, path: str) -> InferSettings:
    """The settings with which infer.py would open a model."""
    names = ("engine", "language", "local_files_only", "use_gpu", "device", "fp16", "use_int8")
    shared = {name: getattr(settings, name) for name in (*names, "beam_size", "batch_size")}
    return InferSettings(model_path=path, **shared)


def aligns(settings: ServerSettings, path: str) -> bool:
    """Whether the engine of a model finds when words are spoken."""
    return engine_kind(only_file(path), settings.engine).aligns


def open_models(settings: ServerSettings) -> dict[str, Engine | WhisperCpp]:
    """Load every model, by its name in requests.

    Args:
        settings: of the server.

    Raises:
        UserError: one is missing or incomplete, or an adapter does not fit its base.
    """
    paths = settings.models
    found: dict[str, Engine | WhisperCpp] = {}
    for base, names in _shared_bases(paths).items():
        first = infer_settings(settings, base)
        engines = open_adapters(
            base,
            {name: paths[name] for name in names if paths[name] != base},
            local_files_only=settings.local_files_only,
            compute=compute_of(first),
        )
        for name in names:
            found[name] = engines[None if paths[name] == base else name]
    for name, path in paths.items():
        if name not in found:
            each = infer_settings(settings, path)
            found[name] = open_decoder(each, decoding_of(each)).engine
    return found


def _shared_bases(paths: dict[str, str]) -> dict[str, list[str]]:
    """Names of models by the base that several of them have, which is then loaded once."""
    groups: dict[str, list[str]] = {}
    for name, path in paths.items():
        if Path(path, "adapter_config.json").is_file():
            groups.setdefault(read_base_path(Path(path)), []).append(name)
    for name, path in paths.items():
        base = next((base for base in groups if _is_same(base, path)), None)
        if base is not None:
            groups[path] = [*groups.pop(base), name]
    return {base: names for base, names in groups.items() if len(names) > 1}


def _is_same(one: str, other: str) -> bool:
    return one == other or (Path(one).exists() and Path(one).resolve() == Path(other).resolve())
