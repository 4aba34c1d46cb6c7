"""Fixtures and skips that the whole test suite shares."""

from __future__ import annotations

import ast
import importlib
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# Before any test imports torch or transformers: one thread each (tests run side by side), no
# network, and no progress of other libraries in the output.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# What is compared to the last digits is in float32, whatever this machine's CPU does best.
os.environ["ACCELERATE_MIXED_PRECISION"] = "no"
os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"

# What the tests measure is none of the user's business, nor the other way round.
_CACHE = tempfile.TemporaryDirectory(prefix="tests-cache-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name

# A shell that starts the tests in the background has Ctrl-C ignored, and programs that the tests
# start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow, which is no failure of what is tested.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds the scripts."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded speech and official models beside the checkout."""
    return SHARED


def script_paths() -> list[Path]:
    """Return every script, but for the former names of some, which only forward."""
    found = sorted(REPOSITORY.glob("*.py"))
    return [path for path in found if "former_names" not in path.read_text(encoding="utf-8")]


def script_names() -> list[str]:
    """Return every script, one with commands once for each: "custom.py folder", ..."""
    names = []
    for path in script_paths():
        has_commands = "parse_command(" in path.read_text(encoding="utf-8")
        commands = importlib.import_module(path.stem).COMMANDS if has_commands else ()
        names += [f"{path.name} {command}" for command in commands] or [path.name]
    return names


@pytest.fixture(scope="session")
def settings_of() -> Callable[[str], type]:
    """Find the settings dataclass that a script hands to `parse_settings`.

    A script with commands is named with one of them: "custom.py table".
    """

    def find(script: str) -> type:
        script, _, command = script.partition(" ")
        if command:
            commands: dict[str, type] = importlib.import_module(Path(script).stem).COMMANDS
            return commands[command]
        tree = ast.parse((REPOSITORY / script).read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        handed = [
            call.args[0]
            for call in calls
            if isinstance(call.func, ast.Name) and call.func.id == "parse_settings"
        ]
        assert len(handed) == 1, f"{script} calls parse_settings {len(handed)} times, not once"
        module = importlib.import_module(Path(script).stem)
        settings_type: type = getattr(module, ast.unparse(handed[0]))
        return settings_type

    return find


# They start processes, compile, or train for more than some steps: most of the time of all tests.
# The longest first.
SLOW = [
    *("test_readme", "test_published_readme", "training/test_sharding", "test_demo"),
    "test_launchers",
    *("training/resume/test_bad_luck", "parallel/test_ray_data", "model/test_compilation"),
    *("transcription/test_longform", "training/resume/test_two_nodes", "test_infer"),
    *("training/audio_context/test_feature_matching", "training/resume/test_killed"),
    *("test_evaluation", "training/test_compiled_run", "training/test_learning_runs"),
    *("training/test_run", "training/memory/test_out_of_memory_distributed"),
    *("training/test_learns", "test_check_data", "training/memory/test_out_of_memory"),
    *("training/memory/test_plan", "training/audio_context/test_probe"),
    *("training/resume/test_signals", "test_real_speech", "export/test_transformers_js"),
    *("export/test_real_models", "test_local_files_only", "test_full_disk"),
    # They share a server, which each process of the tests starts for itself.
    *("serving/test_limits", "serving/test_openai_api", "serving/test_page"),
    *("serving/test_published_api", "serving/test_realtime", "serving/test_security"),
    *("serving/test_description", "desktop/test_window", "export/test_webapp"),
]
_TESTS = Path(__file__).resolve().parent
if _GONE := [name for name in SLOW if not (_TESTS / f"{name}.py").is_file()]:
    raise FileNotFoundError(f"SLOW names tests that do not exist: {', '.join(_GONE)}")


def _name_of(item: pytest.Item) -> str:
    """Return the path of a test's module as SLOW spells it."""
    path = item.path.with_suffix("")
    return path.relative_to(_TESTS).as_posix() if path.is_relative_to(_TESTS) else path.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow; skip, saying why, what this machine cannot run."""
    for item in items:
        if _name_of(item) in SLOW:
            item.add_marker("slow")
        if item.get_closest_marker("requires_shared") and not (SHARED / "data").is_dir():
            item.add_marker(pytest.mark.skip(reason=f"no recorded speech at {SHARED / 'data'}"))
        if item.get_closest_marker("requires_cuda") and not _has_cuda():
            item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU"))

    _begin_with_the_slow(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _begin_with_the_slow(items: list[pytest.Item], workers: int) -> None:
    """Order the tests so that each of several workers begins with slow ones.

    A worker is given neighbours, as many as the others are; one that has done its own takes some of
    another's. What is left at the end should be quick.
    """
    if workers == 1:
        return
    of_file: dict[str, list[pytest.Item]] = {}
    quick = []
    for item in items:
        name = _name_of(item)
        pile = of_file.setdefault(name, []) if name in SLOW else quick
        pile.append(item)
    slow = [of_file[name] for name in SLOW if name in of_file]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        own = [item for tests in slow[worker::workers] for item in tests]
        share = (len(items) - len(ordered)) // (workers - worker) - len(own)
        own += quick[: max(0, share)]
        del quick[: max(0, share)]
        ordered += own
    items[:] = [*ordered, *quick]


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def demo_model(repository: Path) -> Path:
    """The demo's base model: small, real, trained."""
    return repository / "demo" / "base"


@pytest.fixture(scope="session")
def tiny_model(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete Whisper folder with the demo's tokenizer and random weights: the fastest."""
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperProcessor

    from utils.model.audio_context.encoder import FlexibleWhisper
    from utils.model.folders import save_model

    torch.manual_seed(0)
    shape = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    widths = {"encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
    config = WhisperConfig.from_pretrained(demo_model)
    config.update({**shape, **heads, **widths})
    model = FlexibleWhisper(config)
    model.generation_config = GenerationConfig.from_pretrained(demo_model)
    model.generation_config.alignment_heads = [[1, 0], [1, 1]]  # the demo's has a third layer
    model.generation_config.max_length = 12  # random weights never end an answer by themselves
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(model, WhisperProcessor.from_pretrained(demo_model), folder, "mixed")
    return folder


@pytest.fixture(scope="session")
def speech_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine clips of 0.6 to 3 s with Mandarin and English texts; tones, to be quick to make."""
    import json

    import numpy as np
    import soundfile

    folder = tmp_path_factory.mktemp("speech")
    rng = np.random.default_rng(0)
    texts = [
        "打开空调",
        "turn it off",
        "今天天气",
        "good morning",
        "关",
        "yes",
        "明天见",
        "no",
        "八点",
    ]
    lines = []
    for number, text in enumerate(texts):
        seconds = 0.6 + 0.3 * number
        time = np.arange(int(seconds * 16_000)) / 16_000
        samples = 0.3 * np.sin(2 * np.pi * 200 * (number + 1) * time)
        samples += 0.01 * rng.standard_normal(len(time))
        soundfile.write(folder / f"{number}.flac", samples, 16_000)
        language = "English" if text.isascii() else "Chinese"
        audio = {"path": f"{number}.flac"}
        lines.append(
            {"audio": audio, "sentence": text, "language": language, "id": f"clip-{number}"}
        )
    manifest = folder / "speech.jsonl"
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    manifest.write_text(content, encoding="utf-8")
    return manifest


@pytest.fixture(scope="session")
def ct2_model(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's base model, converted by CTranslate2 in float32."""
    pytest.importorskip("ctranslate2")
    from utils.export.ct2 import export
    from utils.manifest.read import read_manifest

    target = tmp_path_factory.mktemp("converted") / "base-ct2"
    clips = list(read_manifest(demo_model.parent / "zh" / "test.jsonl"))[:2]
    export(str(demo_model), target, "float32", clips)
    return target
