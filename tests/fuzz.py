"""Change every kind of file that a script reads, a hundred thousand times, and read it.

    python tests/fuzz.py                          # a part of `make fuzz`
    python tests/fuzz.py --inputs=2000 --seed=7 --scripts=20

Each input is read or refused in one sentence: no other exception, no more than ten seconds, no more
than 1 GB. Some are then given to whole scripts, which must end without a traceback. What fails is
kept in --output_dir.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path

# A script's own folder is on the path; the repository, which holds `utils` and `tests`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.hostile.readers import Reader, changed, readers
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings
from utils.cli.progress import progress

REPOSITORY = Path(__file__).resolve().parent.parent
SECONDS, BYTES = 10, 1 << 30
LONGEST = 5000  # characters of a message
SCRIPTS = {
    "settings.yaml": "finetune.py --config={file}",
    "gate.yaml": "evaluation.py --gate={file} --predictions={ready} --test_data={test}",
    "augmentation.json": "finetune.py --base_model={model} --train_data={one} --dev_data={one} "
    "--augment_config_path={file} --max_steps=1 --num_workers=0",
    "results.json": "report.py --results={file}",
    "predictions.jsonl": "evaluation.py --predictions={file} --test_data={test}",
    "manifest.jsonl": "check_data.py --data={file} --language=en",
    "config.json": "infer.py --model_path={folder} --audio_path={sound}",
    "generation_config.json": "infer.py --model_path={folder} --audio_path={sound}",
    "preprocessor_config.json": "infer.py --model_path={folder} --audio_path={sound}",
    "tokenizer_config.json": "infer.py --model_path={folder} --audio_path={sound}",
    "adapter_config.json": "merge_lora.py --lora_model={folder} --local_files_only=True",
}
"""Files that are given to whole scripts, and how."""


@dataclass(frozen=True)
class FuzzSettings:
    """How much."""

    inputs: int = 100_000
    """Changed files that are read."""
    scripts: int = 60
    """Changed files that are given to whole scripts."""
    output_dir: str = "output/fuzz"
    """Folder for the inputs that failed."""
    seed: int = 0
    """Of the changes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Read them all; 0 if nothing failed."""
    settings = parse_settings(FuzzSettings, argv, prog="fuzz.py", description=__doc__ or "")
    os.chdir(REPOSITORY)
    began, failed = time.monotonic(), Path(settings.output_dir).resolve()
    shutil.rmtree(failed, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model, adapter = small_models(place)
        kinds = readers(model, adapter, place)
        with limited_memory(BYTES):
            counts = read_many(kinds, settings, place / "input", failed)
        tell(counts)
        ended = run_scripts(kinds, settings, place, model, adapter, failed)
    wrong = counts["", "failed"] + ended["failed"]
    codes = ", ".join(f"{count} ended with {code}" for code, count in sorted(ended.items()))
    say(f"whole scripts: {codes}")
    say(
        f"{settings.inputs} inputs and {settings.scripts} scripts in "
        f"{time.monotonic() - began:.0f} s; failed: {wrong}"
    )
    return int(bool(wrong))


def small_models(place: Path) -> tuple[Path, Path]:
    """A Whisper of 2 layers and an adapter on it."""
    from peft import LoraConfig, get_peft_model
    from transformers import WhisperProcessor

    from utils.model.audio_context.encoder import FlexibleWhisper
    from utils.model.folders import save_model

    demo = REPOSITORY / "demo" / "base"
    config = FlexibleWhisper.config_class.from_pretrained(demo)
    config.d_model, config.encoder_ffn_dim, config.decoder_ffn_dim = 16, 16, 16
    config.encoder_layers = config.decoder_layers = 2
    model = FlexibleWhisper(config)
    known = FlexibleWhisper.from_pretrained(demo).generation_config
    known.max_length = 24
    model.generation_config = known
    processor = WhisperProcessor.from_pretrained(demo)
    save_model(model, processor, place / "tiny", "mixed")
    model.config._name_or_path = str(place / "tiny")
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    adapted.peft_config["default"].base_model_name_or_path = str(place / "tiny")
    save_model(adapted, processor, place / "adapter", "mixed")
    return place / "tiny", place / "adapter"


@contextmanager
def limited_memory(more: int) -> Iterator[None]:
    """Let this process take so many bytes more than it has."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with open("/proc/self/status", encoding="ascii") as file:
        held = next(int(line.split()[1]) << 10 for line in file if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (held + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextmanager
def limited_time(seconds: int) -> Iterator[None]:
    """Raise TimeoutError after so many seconds."""

    def end(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    earlier = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


def read_one(reader: Reader, content: bytes, folder: Path) -> str:
    """Read an input in an empty folder: "read", "refused", or the traceback of what went wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / reader.name
    path.write_bytes(content)
    try:
        # Warnings are for people, who would have one of each.
        with limited_time(SECONDS), open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            reader.read(path)
        return "read"
    except UserError as error:
        # A setting is named as a flag is, or by what is wrong with its value.
        named = any(each in error.message for each in (str(folder), "line ", "--"))
        if not named and not reader.name.endswith(".yaml"):
            return f"the message names no file: {error.message}"
        return "refused" if len(error.message) < LONGEST else f"long: {error.message}"
    except BaseException:  # tokenizers raises one that is no Exception
        return traceback.format_exc()


def read_many(
    kinds: Sequence[Reader], settings: FuzzSettings, folder: Path, failed: Path
) -> Counter[tuple[str, str]]:
    """Read the inputs; how many of each kind were read, refused, or failed."""
    chance = random.Random(settings.seed)
    counts: Counter[tuple[str, str]] = Counter()
    picked = chance.choices(kinds, [each.share for each in kinds], k=settings.inputs)
    for reader in progress(picked, desc="reading", unit="file"):
        content = changed(reader, chance)
        found = read_one(reader, content, folder)
        if found not in ("read", "refused"):
            keep(failed, reader.name, content, found, counts["", "failed"])
            found = "failed"
            counts["", "failed"] += 1
        counts[reader.name, found] += 1
    return counts


def keep(failed: Path, name: str, content: bytes, found: str, number: int) -> None:
    """Keep what failed."""
    place = failed / f"{number}"
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(content)
    (place / "found.txt").write_text(found, encoding="utf-8", errors="backslashreplace")
    say(f"FAILED: {name}, kept in {place}: {found.strip().splitlines()[-1][:150]}")


def tell(counts: Counter[tuple[str, str]]) -> None:
    """Say how many of each kind were read and refused."""
    names = sorted({name for name, _ in counts if name})
    for name in names:
        say(
            f"{name:<32} {counts[name, 'read']:>7} read {counts[name, 'refused']:>7} refused "
            f"{counts[name, 'failed']:>5} failed"
        )


def run_scripts(
    kinds: Sequence[Reader],
    settings: FuzzSettings,
    place: Path,
    model: Path,
    adapter: Path,
    failed: Path,
) -> Counter[str]:
    """Give changed files to whole scripts; how often each exit code was the end."""
    from tests.processes import run_forked

    chance, ended = random.Random(settings.seed), Counter[str]()
    by_name = {each.name: each for each in kinds if each.name in SCRIPTS}
    demo = REPOSITORY / "demo"
    given = {"model": model, "test": demo / "dev.jsonl", "ready": place / "ready.jsonl"}
    given["sound"] = next((demo / "en" / "audio").iterdir())
    given["ready"].write_text('{"id": "dev-000000", "hypothesis": "x"}\n')
    first = json.loads((demo / "dev.jsonl").read_text("utf-8").splitlines()[0])
    first["audio"]["path"] = str(demo / first["audio"]["path"])
    given["one"] = place / "one.jsonl"
    given["one"].write_text(json.dumps(first) + "\n")
    for number in range(settings.scripts):
        reader = by_name[chance.choice(sorted(by_name))]
        folder = place / f"script-{number}"
        shutil.copytree(adapter if reader.name.startswith("adapter") else model, folder)
        content = changed(reader, chance)
        (folder / reader.name).write_bytes(content)
        command = SCRIPTS[reader.name].format(**given, file=folder / reader.name, folder=folder)
        script, *flags = command.split()
        environment = {**os.environ, "XDG_CACHE_HOME": str(place / "cache")}
        done = run_forked([str(REPOSITORY / script), *flags], folder, environment, timeout=300)
        is_right = done.returncode in (0, 1, 2, 3, 4) and "Traceback" not in done.stderr
        ended[str(done.returncode) if is_right else "failed"] += 1
        if not is_right:
            keep(failed, reader.name, content, f"{command}\n{done.stderr}", 10_000 + number)
        shutil.rmtree(folder)
    return ended


if __name__ == "__main__":
    sys.exit(run_script(main))
