"""Which wrong transcripts check_data.py --model_path finds, and which right ones it calls wrong.

    python benchmarks/contradictions.py                 # half an hour on one core
    python benchmarks/contradictions.py --models=base --sets=zh
    python benchmarks/contradictions.py --table=True    # the table of docs/validation.md

A tenth of the transcripts of recorded speech are exchanged among each other. Models that know the
speech are to name these lines and no others; models that do not are to say so, once. Each pair of
model and set that is measured replaces its own line in benchmarks/results/contradictions.json.
Skips, naming what is absent, without the recordings or a model.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, read_measured, write_measured
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.manifest.write import write_manifest
from utils.report.tables import markdown_table, percent

SETS = {"zh": "zh_aishell_S0150", "en": "en_speechocean762"}
PARTS = ("test.jsonl", "dev.jsonl")


@dataclass(frozen=True)
class ContradictionSettings:
    """What is measured; the defaults made the table of docs/validation.md."""

    sets: tuple[str, ...] = tuple(SETS)
    """zh (AISHELL-1, one speaker) and en (speechocean762), separated by commas."""
    models: tuple[str, ...] = ("base", "other-language", "noisy", "demo", "tiny.en")
    """base: OpenAI's whisper-base. other-language: the same, told that Mandarin is English and
    English Mandarin. noisy: the same with noise in its weights. demo: the demo's small model, which
    knows other voices. tiny.en: OpenAI's English-only model."""
    lines: int = 80
    """Lines of each set."""
    wrong: float = 0.1
    """Share of them with the transcript of another."""
    noise: float = 0.2
    """Deviation of the noise, in deviations of each weight matrix."""
    data: Path = Path("../shared/data")
    """Folder of the recorded speech."""
    base_model: Path = Path("../shared/models/whisper-base")
    """Folder of OpenAI's whisper-base."""
    tiny_en: Path = Path("../shared/models/whisper-tiny.en")
    """Folder of OpenAI's whisper-tiny.en."""
    seed: int = 0
    """Of what is exchanged."""
    output: Path = Path("benchmarks/results/contradictions.json")
    """File for the measurements."""
    table: bool = False
    """Print the table of docs/validation.md from --output; nothing is measured."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.sets if name not in SETS]
        if unknown:
            raise UserError(f"--sets={','.join(unknown)}: expected {', '.join(SETS)}")


def main(argv: Sequence[str] | None = None) -> None:
    """Plant, check and count, or print the table of what was measured."""
    settings = parse_settings(
        ContradictionSettings, argv, prog="contradictions.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    if settings.table:
        say(table(read_measured(settings.output)))
        return
    for model in settings.models:
        for name in settings.sets:
            needed = [settings.data / SETS[name], folder_of(model, settings)]
            absent = [str(path) for path in needed if not path.is_dir()]
            if absent:
                say(f"skipped: {model} on {name}: {', '.join(absent)} not found")
                continue
            measured = measure(model, name, settings)
            known = settings.output.is_file()
            found = read_measured(settings.output) if known else {"measured": {}}
            found["machine"] = machine()
            found["measured"][f"{model} {name}"] = measured
            write_measured(settings.output, found)
    say("\n" + table(read_measured(settings.output)))


def folder_of(model: str, settings: ContradictionSettings) -> Path:
    """Return where a model of `--models` lies."""
    folders = {"demo": Path("demo/base"), "tiny.en": settings.tiny_en}
    return folders.get(model, settings.base_model)


def planted(
    lines: Sequence[Utterance], share: float, seed: int
) -> tuple[list[Utterance], set[int]]:
    """Exchange some transcripts among each other.

    Returns:
        The lines, and the numbers, from 1, of those whose transcript is another's.
    """
    chosen = random.Random(seed).sample(range(len(lines)), max(2, round(share * len(lines))))
    changed = list(lines)
    for place, other in zip(chosen, [*chosen[1:], chosen[0]], strict=True):
        changed[place] = replace(lines[place], sentence=lines[other].sentence, sentences=None)
    wrong = {place + 1 for place in chosen if changed[place].sentence != lines[place].sentence}
    return changed, wrong


def measure(model: str, name: str, settings: ContradictionSettings) -> dict[str, Any]:
    """Return what a model names in a set, and what it should have named."""
    from utils.model.load import load_model
    from utils.transcription.contradictions import contradictions
    from utils.transcription.decoding import Decoding
    from utils.validation.check import check_manifests
    from utils.validation.model_errors import CONTRADICTED, NO_JUDGE

    loaded = load_model(str(folder_of(model, settings)), local_files_only=True)
    if model == "noisy":
        add_noise(loaded.whisper, settings.noise)
    every = [u for part in PARTS for u in read_manifest(settings.data / SETS[name] / part)]
    some = every[:: max(1, len(every) // settings.lines)][: settings.lines]
    lines, wrong = planted(some, settings.wrong, settings.seed)
    language = {"zh": "en", "en": "zh"}[name] if model == "other-language" else name
    lines = [replace(each, language=language) for each in lines]
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        write_manifest(Path(folder, "planted.jsonl"), lines)
        look = contradictions(loaded, Decoding(language=language, batch_size=8))
        findings = check_manifests([Path(folder, "planted.jsonl")], inspectors=[look]).findings
    named = {each.line for each in findings if each.kind == CONTRADICTED}
    told = [each.message for each in findings if each.kind == NO_JUDGE]
    return {
        "lines": len(lines),
        "wrong": len(wrong),
        "named": len(named),
        "found": len(named & wrong),
        "told": told[0] if told else None,
        "processor_seconds": time.process_time() - began,
    }


def add_noise(whisper: Any, noise: float) -> None:
    """Add noise to the weight matrices of a model, in place."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in whisper.parameters():
            if weight.dim() > 1:
                drawn = torch.randn(weight.shape, generator=generator).to(weight.dtype)
                weight.add_(drawn * weight.std() * noise)


def table(found: dict[str, Any]) -> str:
    """Return the table of docs/validation.md."""
    rows = []
    for name, each in found["measured"].items():
        model, data = name.split(" ")
        precision = percent(each["found"] / each["named"]) if each["named"] else ""
        said = each["told"].split(" (")[1].split(")")[0] if each["told"] else ""
        recall = "" if said else percent(each["found"] / each["wrong"])
        counts = [str(each[field]) for field in ("lines", "wrong", "named", "found")]
        rows.append([model, data, *counts, precision, recall, said])
    header = ["model", "set", "lines", "wrong", "named", "of them wrong", "precision", "recall"]
    return markdown_table([*header, "said once instead"], rows, words=2)


if __name__ == "__main__":
    sys.exit(run_script(main))
