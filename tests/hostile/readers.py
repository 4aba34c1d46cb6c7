"""Every kind of file that a script reads, a small good one of each, and what reads it.

Shared by tests/hostile/test_readers.py, which tries a few changes of each, and tests/fuzz.py, which
tries a hundred thousand.
"""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile.hostility import TOKENS

ODD: list[Any] = [
    *(None, True, False, -1, 0, 3, 1e300, -1e300, 10**400, 10_000_000, 2**63, "", "x", "../x"),
    *("a\x1b[31m\x00b", "\u202e`|<", "9" * 5000, "x" * 100_000, float("nan"), float("inf")),
    *([], {}, [1, 2], [None], [[]], {"rate": "x"}, {"a": {"b": []}}, [[0, 10_000_000]]),
]
DEEP = 100_000
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes:
        name: of the file; its ending says how it is changed.
        good: what a good one holds.
        read: reads the file at a path, in a folder of its own.
        share: how often it is tried, relative to the others: those that load a model are slow.
    """

    name: str
    good: bytes
    read: Callable[[Path], object]
    share: float = 1.0


# -- changes --------------------------------------------------------------------------------------


def changed(reader: Reader, chance: random.Random) -> bytes:
    """A good file with something wrong in it, most often one value of a JSON object."""
    text = reader.name.endswith((".json", ".jsonl"))
    kinds = ["fields"] * 6 * text + ["bytes"] * 3 + ["doubled"] * text + ["deep", "bomb", "other"]
    kind = chance.choice(kinds)
    if kind == "fields" and reader.name.endswith(".jsonl"):
        lines = [json.loads(line) for line in reader.good.splitlines()]
        lines = _fields(lines, chance)
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    if kind == "fields":
        return json.dumps(_fields(json.loads(reader.good), chance)).encode()
    if kind == "doubled":
        head, comma, tail = reader.good.partition(b",")
        return head + comma + head.lstrip(b"{[ \n") + comma + tail
    if kind == "deep":
        opener = chance.choice([b"[", b'{"a":', b"{a: ", b"- "])
        place = chance.randrange(len(reader.good) + 1)
        return reader.good[:place] + opener * DEEP + reader.good[place:]
    if kind == "bomb":
        return BOMB.encode()
    if kind == "other":
        return chance.choice(
            [b"", b"\xff\xfe\x00", b"null", b"[]", b"{}", b"3", b'"x"', b"\0" * 99]
        )
    return _bytes(reader.good, chance)


def _bytes(content: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        start, length = chance.randrange(len(content) + 1), chance.randrange(13)
        put = chance.choice([*TOKENS, bytes(chance.randrange(256) for _ in range(4))])
        kind = chance.choice(["put", "double", "cut", "end"])
        if kind == "put":
            content = content[:start] + put + content[start + length :]
        elif kind == "double":
            content = content[:start] + content[start : start + 40] * 3 + content[start:]
        else:
            content = content[:start] if kind == "end" else content[:start] + content[start + 1 :]
    return content


def _fields(value: Any, chance: random.Random) -> Any:
    """Lose, double or replace values, or exchange one for another of the same file."""
    for _ in range(chance.randint(1, 3)):
        places = list(_places(value))
        if not places:
            break
        holder, key = chance.choice(places)
        kind = chance.choice(["odd", "odd", "odd", "lose", "double", "exchange"])
        if kind == "lose":
            del holder[key]
        elif kind == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif kind == "exchange":
            other, at = chance.choice(places)
            with suppress(KeyError, IndexError):  # lost above
                holder[key] = copy.deepcopy(other[at])
        else:
            holder[key] = copy.deepcopy(chance.choice(ODD))
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the holder and the key of fields; of long objects some."""
    if not isinstance(value, (dict, list)):
        return
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, each in items[:200]:
        yield value, key
        yield from _places(each)


# -- the kinds ------------------------------------------------------------------------------------


def readers(model: Path, adapter: Path, place: Path) -> list[Reader]:
    """All of them.

    Args:
        model: folder of a small Whisper.
        adapter: folder of an adapter on it.
        place: an empty folder, for the files that lie beside those that are changed.
    """
    return [
        *_settings(place),
        *_of_runs(),
        *_of_scores(),
        *_of_models(model, adapter, place),
    ]


def _settings(place: Path) -> Iterator[Reader]:
    import evaluation
    from utils.audio.augmentation.pipeline import Augmenter
    from utils.cli.config import save_settings
    from utils.scoring.gate import read_gate
    from utils.scoring.secondary.keyword_list import read_keywords
    from utils.training.settings.runs import LoraSettings
    from utils.training.sharding.launch import _zero_stage

    save_settings(LoraSettings(), place / "settings.yaml")
    settings = (place / "settings.yaml").read_bytes()
    yield Reader("settings.yaml", settings, lambda p: _parse(LoraSettings, p))
    scored = evaluation.EvaluationSettings
    some = b"batch_size: 4\nmetric: wer\ntest_data: [a.json, b=c.json]\nlanguage: en\n"
    yield Reader("evaluation.yaml", some, lambda p: _parse(scored, p))
    gate = b"all: failed<=0, missing<=0\ntest: [wer<=5%, wer.delta<=0.2%]\n"
    yield Reader("gate.yaml", gate, lambda path: read_gate(str(path)))
    effects = Path("configs/augmentation.json").read_bytes()
    yield Reader("augmentation.json", effects, Augmenter.from_file)
    yield Reader("keywords.txt", b"# names\nMeyer\naspirin 100\n", read_keywords)
    zero = b'{"zero_optimization": {"stage": 2}}'
    yield Reader(
        "deepspeed.json", zero, lambda p: _zero_stage({"ACCELERATE_DEEPSPEED_CONFIG_FILE": str(p)})
    )


def _parse(settings_type: type, path: Path) -> None:
    from utils.cli.flags import parse_settings

    parse_settings(settings_type, [f"--config={path}"], prog="fuzz.py", description="")


def _of_runs() -> Iterator[Reader]:
    from types import SimpleNamespace

    from utils.model.adapters.base_digest import expect_base
    from utils.model.checksums import find_damage
    from utils.parallel.journal import Journal
    from utils.report.figures.curves import read_metrics
    from utils.training.best_average import candidates
    from utils.training.callbacks import MetricsFile
    from utils.training.resume.best import set_aside_stale_best
    from utils.training.resume.checkpoints import check_named
    from utils.training.resume.identity import differences, read_run_file

    identity = {"script": "lora", "learning_rate": 1e-3, "base model (SHA-256)": {"a": "0" * 64}}

    def read_run(path: Path) -> None:
        found = read_run_file(path.parent)
        if found is not None:
            differences(found["identity"], identity)

    def read_checkpoint(path: Path) -> None:
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            (path.parent / name).touch()
        if not (path.parent / "trainer_state.json").exists():
            (path.parent / "trainer_state.json").write_text('{"global_step": 2}')
        check_named(path.parent, path.parent.parent)

    def read_best(path: Path) -> None:
        folder = path.parent / "run" / "checkpoint-best"
        folder.mkdir(parents=True)
        shutil.copy(path, folder)
        set_aside_stale_best(path.parent / "run", identity, 3)

    def begin_metrics(path: Path) -> None:
        MetricsFile(path).on_train_begin(None, SimpleNamespace(global_step=4), None)

    def read_candidates(path: Path) -> None:
        (path.parent / "step-1").mkdir()
        shutil.copy(path, path.parent / "step-1" / "score.json")
        candidates(path.parent)

    run = {"schema": 1, "finished": False, "identity": identity}
    yield Reader("run.json", json.dumps(run).encode(), read_run)
    best = {"schema": 1, "step": 8, "metric": "cer", "error": 0.2, "identity": identity}
    yield Reader("best.json", json.dumps(best).encode(), read_best)
    state = {
        **{"epoch": 0.5, "global_step": 2, "max_steps": 4, "logging_steps": 1, "best_metric": 0.2},
        **{"log_history": [{"loss": 1.0, "step": 1}], "train_batch_size": 4, "total_flos": 1.0},
        **{"stateful_callbacks": {"TrainerControl": {"args": {}}}, "num_train_epochs": 3},
    }
    yield Reader("trainer_state.json", json.dumps(state).encode(), read_checkpoint)
    resumed = {
        **{"metrics_lines": 3, "last_evaluated_step": -1, "evaluation_due": False},
        **{"losses_since_log": [0.5], "memory_limits": [None, 4], "failures": {"a": "b"}},
        **{"rank_pattern": {"a": [True, False]}, "micro_batch": 2, "accumulation": 1},
    }
    yield Reader("resume_state.json", json.dumps(resumed).encode(), read_checkpoint)
    listed = {"schema": 1, "files": {"a": {"size": 1, "sha256": "0" * 64}}}
    yield Reader("checksums.json", json.dumps(listed).encode(), lambda p: find_damage(p.parent))
    lines = [{"step": step, "loss": 1.0, "dev_cer": 0.5, "learning_rate": 1e-3} for step in (1, 5)]
    metrics = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    yield Reader("metrics.jsonl", metrics, begin_metrics)
    yield Reader("metrics.jsonl", metrics, read_metrics)
    score = json.dumps({"step": 4, "error": 0.2}).encode()
    yield Reader("score.json", score, read_candidates)
    yield Reader("journal.jsonl", b'["a", 1]\n[["b", 2], {"c": 3}]\n', Journal)
    base = json.dumps({"schema": 1, "base_sha256": "0" * 64}).encode()
    yield Reader("base_model.json", base, lambda path: expect_base(path.parent, "base", "0" * 64))


def _of_scores() -> Iterator[Reader]:
    from utils.evaluation.results import read_results
    from utils.manifest.read import scan_manifest
    from utils.report.forms import make_forms
    from utils.scoring.predictions import read_predictions
    from utils.transcription.cache import PredictionCache

    lines = [
        {"id": "a", "reference": "good morning", "hypothesis": "good mourning", "language": "en"},
        {"id": "b", "reference": "yes", "hypothesis": "", "status": "ok", "audio_seconds": 1.0},
    ]
    said = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    yield Reader("predictions.jsonl", said, read_predictions)
    yield Reader("ready.jsonl", said, lambda p: read_predictions(p, need_references=False))
    entry = b'{"key": "a", "sha256": "b", "prediction": {"hypothesis": "x"}}\n' * 2
    yield Reader("cache.jsonl", entry, lambda path: PredictionCache(path.parent).read())
    text = [
        {"audio": {"path": "a.wav", "start_time": 0, "end_time": 1.5}, "sentence": "good"},
        {"audio": {"path": "b.tar", "offset": 512, "size": 99}, "sentence": "", "sentences": []},
    ]
    manifest = b"".join(json.dumps(line).encode() + b"\n" for line in text)
    yield Reader("manifest.jsonl", manifest, _read_all(scan_manifest))
    score = {
        **{"model": "new", "test_data": "test.jsonl", "metric": "wer", "normalizer": "basic@1"},
        **{"rate": 0.5, "errors": 1, "substitutions": 1, "deletions": 0, "insertions": 0},
        **{"reference_tokens": 2, "utterances": 1, "failed": 0, "interval": [0.1, 0.9]},
        **{"predictions": "predictions.jsonl", "raw": {"rate": 0.5, "errors": 1}},
    }
    results = {"schema": 1, "scores": [score], "matrix": {}, "comparisons": [], "gate": {}}
    packed = json.dumps(results).encode()
    yield Reader("results.json", packed, read_results)
    yield Reader("results.json", packed, lambda p: make_forms([p], p.parent, ("summary",)), 0.2)


def _read_all(scan: Callable[[Path], Any]) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        manifest, _ = scan(path)
        for utterance in manifest.utterances:
            utterance.to_json()

    return read


def _of_models(model: Path, adapter: Path, place: Path) -> Iterator[Reader]:
    from utils.model.adapters.base_digest import _weight_map
    from utils.model.declared import expect_sound_folder
    from utils.model.folders import read_base_path
    from utils.model.load import load_model
    from utils.model.new_tokens import read_tokens
    from utils.transcription.engines.ctranslate2 import _read_json

    def beside(folder: Path, read: Callable[[Path], object]) -> Callable[[Path], object]:
        """Read a folder of links to the files of another, but for the one that is changed."""

        def read_folder(path: Path) -> object:
            for file in folder.iterdir():
                if file.name not in (path.name, "checksums.json"):
                    os.symlink(file.resolve(), path.parent / file.name)
            return read(path.parent)

        return read_folder

    yield Reader("tokens.txt", b"Fledermaus\n<|yue|>\n", lambda path: read_tokens(str(path)))
    index = b'{"metadata": {}, "weight_map": {"model.a": "model-1.safetensors"}}'
    yield Reader("model.safetensors.index.json", index, _weight_map)
    yield Reader("config.json", b'{"lang_ids": [1, 2], "add_source_bos": false}', _read_json)
    for name in ("config.json", "generation_config.json", "preprocessor_config.json"):
        content = (model / name).read_bytes()
        yield Reader(name, content, beside(model, expect_sound_folder))
        yield Reader(name, content, beside(model, lambda each: load_model(str(each))), 0.02)
    for file in sorted(model.glob("*")):
        if file.suffix in (".json", ".txt", ".safetensors") and file.name not in (
            *("config.json", "generation_config.json", "preprocessor_config.json"),
            "checksums.json",
        ):
            read = beside(model, lambda each: load_model(str(each)))
            yield Reader(file.name, file.read_bytes(), read, 0.01)
    config = (adapter / "adapter_config.json").read_bytes()
    yield Reader("adapter_config.json", config, beside(adapter, read_base_path))
    loaded = beside(adapter, lambda each: load_model(str(each)))
    yield Reader("adapter_config.json", config, loaded, 0.02)
    weights = (adapter / "adapter_model.safetensors").read_bytes()
    yield Reader("adapter_model.safetensors", weights, loaded, 0.01)
