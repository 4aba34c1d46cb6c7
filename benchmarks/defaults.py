"""The defaults of finetune.py by evidence: one setting changed at a time, on the real whisper-base.

    python benchmarks/defaults.py                       # every variant with seed 42; hours
    python benchmarks/defaults.py --variants=published,now --seeds=42,43,44
    python benchmarks/defaults.py --table=True          # the table of docs/training.md

Each run is a pass over a small training part with LoRA; it is judged by the dev part, never by the
test part, which is kept for results. The dev loss (nats a token, teacher-forced) tells small
differences apart that the error rate of a few dozen clips cannot. Every run is written to
benchmarks/results/defaults.json as it ends, and is not repeated: a killed benchmark goes on. Skips,
naming what is absent, without the recordings or the model.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, read_measured, timed, write_measured
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings
from utils.report.tables import markdown_table, percent

SETS = {"zh": "zh_aishell_S0150", "en": "en_speechocean762"}
VARIANTS: dict[str, list[str]] = {
    "warm-up of 50": ["--warmup_steps=50", "--bf16=True"],
    "float32": ["--warmup_steps=4", "--bf16=False"],
    "bfloat16": ["--warmup_steps=4", "--bf16=True"],
    "rate 5e-4": ["--warmup_steps=4", "--bf16=True", "--learning_rate=5e-4"],
    "rate 2e-3": ["--warmup_steps=4", "--bf16=True", "--learning_rate=2e-3"],
    "smoothing 0.1": ["--warmup_steps=4", "--bf16=True", "--label_smoothing=0.1"],
    "decoder only": ["--warmup_steps=4", "--bf16=True", "--lora_parts=decoder"],
    "LoRA+ 4": ["--warmup_steps=4", "--bf16=True", "--lora_plus_ratio=4"],
}
"""Name and flags; what they do not name is finetune.py's default."""


@dataclass(frozen=True)
class DefaultsSettings:
    """What is run."""

    variants: tuple[str, ...] = tuple(VARIANTS)
    """Names of settings, separated by commas."""
    sets: tuple[str, ...] = ("zh",)
    """zh (AISHELL-1, one speaker) and en (speechocean762), separated by commas."""
    seeds: tuple[int, ...] = (42,)
    """Seeds of the data order and the adapter's first weights."""
    max_steps: int = 40
    """Steps of 8 clips; 40 are a pass over zh."""
    base_model: Path = Path("../shared/models/whisper-base")
    """Folder of OpenAI's whisper-base."""
    data: Path = Path("../shared/data")
    """Folder of the recorded speech."""
    work_dir: Path = Path("output/defaults")
    """Folder for the runs."""
    output: Path = Path("benchmarks/results/defaults.json")
    """File for the measurements."""
    table: bool = False
    """Print the table of docs/training.md from --output; nothing is run."""

    def __post_init__(self) -> None:
        for given, known in ((self.variants, VARIANTS), (self.sets, SETS)):
            unknown = [name for name in given if name not in known]
            if unknown:
                raise UserError(f"{', '.join(unknown)}: expected {', '.join(known)}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run what has not been run, or print the table of what was."""
    settings = parse_settings(DefaultsSettings, argv, prog="defaults.py", description=__doc__ or "")
    os.chdir(REPOSITORY)
    if settings.table:
        say(table(read_measured(settings.output)))
        return
    needed = [settings.base_model, *(settings.data / SETS[name] for name in settings.sets)]
    absent = [str(path) for path in needed if not path.is_dir()]
    if absent:
        say(f"skipped: {', '.join(absent)} not found; name them with --base_model and --data")
        return
    for seed in settings.seeds:
        for name in settings.sets:
            for variant in settings.variants:
                measure(settings, variant, name, seed)
    say("\n" + table(read_measured(settings.output)))


def measure(settings: DefaultsSettings, variant: str, name: str, seed: int) -> None:
    """Train once and add what came of it to the file, unless it holds that run already."""
    found: dict[str, Any] = {"schema": 1, "runs": []}
    if settings.output.is_file():
        found = read_measured(settings.output)
    what = {"variant": variant, "set": name, "seed": seed, "max_steps": settings.max_steps}
    flags = VARIANTS[variant]
    if any({**run, **what, "flags": flags} == run for run in found["runs"]):
        return
    data = settings.data / SETS[name]
    folder = settings.work_dir / f"{variant.replace(' ', '_')}-{name}-{seed}-{settings.max_steps}"
    command = ["finetune.py", f"--base_model={settings.base_model}", f"--language={name}"]
    command += [f"--train_data={data}/train.jsonl", f"--dev_data={data}/dev.jsonl"]
    command += [f"--output_dir={folder}/", f"--seed={seed}", f"--max_steps={settings.max_steps}"]
    # The base model's score is the same in all, and the probe's answer known.
    command += ["--eval_on_start=False", "--audio_context=thinned", "--resume_from_checkpoint=auto"]
    cost = timed([*command, f"--eval_steps={settings.max_steps}", "--save_steps=20", *flags])
    lines = (folder / settings.base_model.name / "metrics.jsonl").read_text().splitlines()
    last = next(event for event in map(json.loads, reversed(lines)) if "dev_loss" in event)
    scored = {field: value for field, value in last.items() if field.startswith("dev_")}
    run = {**what, "flags": flags, **scored, **cost, "machine": machine()}
    found["runs"].append(run)
    write_measured(settings.output, found)


def table(found: dict[str, Any]) -> str:
    """Return a line for each variant and set: means over its seeds."""
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for run in found["runs"]:
        groups.setdefault((run["variant"], run["set"], run["max_steps"]), []).append(run)
    rows = []
    for (variant, name, steps), runs in groups.items():
        metric = "dev_cer" if "dev_cer" in runs[0] else "dev_wer"
        rates = [run[metric] for run in runs]
        losses = [run["dev_loss"] for run in runs]
        flags = " ".join(f"`{flag}`" for flag in runs[0]["flags"])
        minutes = mean(run["processor_seconds"] for run in runs) / 60
        seeds = ", ".join(str(run["seed"]) for run in runs)
        measured = [f"{mean(losses):.3f}", percent(mean(rates)), f"{minutes:.1f} min"]
        rows.append([variant, flags, name, str(steps), seeds, *measured])
    header = ["variant", "flags", "set", "steps", "seeds", "dev loss", "dev error rate"]
    return markdown_table([*header, "processor time"], rows, words=5)


if __name__ == "__main__":
    sys.exit(run_script(main))
