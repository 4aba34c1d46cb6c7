"""OpenAI's whisper-base on recorded speech, before and after LoRA, as a person would run it.

    python benchmarks/real_speech.py                  # what `make bench-real` calls; over an hour
    python benchmarks/real_speech.py --sets=en --num_train_epochs=1
    python benchmarks/real_speech.py --table=True     # the tables of docs/results.md; runs nothing

For each set: finetune.py and merge_lora.py with their defaults, and evaluation.py without and with
--temperature_fallback. Each command is printed before it runs. Rates, seconds, processor time and
peak memory go into benchmarks/results/real_speech.json; a set that is run again replaces its own
part. Skips, naming what is absent, without the recordings or the model.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, read_measured, write_measured
from utils.cli.console import say
from utils.cli.errors import Failure, UserError, run_script
from utils.cli.flags import parse_settings
from utils.evaluation.results import read_results
from utils.report.tables import markdown_table, percent, percent_interval

SETS = {"zh": "zh_aishell_S0150", "en": "en_speechocean762"}
DECODING: dict[str, list[str]] = {
    "greedy": ["--temperature_fallback=False"],
    "fallback": ["--temperature_fallback=True"],
}
KEPT = (
    *("metric", "normalizer", "rate", "interval", "errors", "substitutions", "deletions"),
    *("insertions", "reference_tokens", "utterances", "failed"),
)


@dataclass(frozen=True)
class RealSpeechSettings:
    """What is run; the defaults made docs/results.md."""

    sets: tuple[str, ...] = tuple(SETS)
    """zh (AISHELL-1, one speaker) and en (speechocean762), separated by commas."""
    base_model: Path = Path("../shared/models/whisper-base")
    """Folder of OpenAI's whisper-base."""
    data: Path = Path("../shared/data")
    """Folder of the recorded speech."""
    num_train_epochs: float = 3.0
    """Passes over the training part; 3 is the default of finetune.py."""
    work_dir: Path = Path("output/real_speech")
    """Folder for runs, models and reports; the folders of the sets in it are made anew."""
    output: Path = Path("benchmarks/results/real_speech.json")
    """File for the measurements."""
    table: bool = False
    """Print the tables of docs/results.md from --output; nothing is run."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.sets if name not in SETS]
        if unknown:
            raise UserError(f"--sets={','.join(unknown)}: expected {', '.join(SETS)}")


def main(argv: Sequence[str] | None = None) -> None:
    """Train and score each set, or print the tables of what was measured."""
    settings = parse_settings(
        RealSpeechSettings, argv, prog="real_speech.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    if settings.table:
        say(tables(read_measured(settings.output)))
        return
    needed = [settings.base_model, *(settings.data / SETS[name] for name in settings.sets)]
    absent = [str(path) for path in needed if not path.is_dir()]
    if absent:
        say(f"skipped: {', '.join(absent)} not found; name them with --base_model and --data")
        return
    for name in settings.sets:
        found = read_measured(settings.output) if settings.output.is_file() else {"sets": {}}
        found["machine"] = machine()
        found["sets"][name] = measure_set(name, settings)
        write_measured(settings.output, found)
    say("\n" + tables(read_measured(settings.output)))


def commands(name: str, settings: RealSpeechSettings) -> dict[str, list[str]]:
    """Return the commands of one set, without the interpreter, in order."""
    data, folder = settings.data / SETS[name], settings.work_dir / name
    base = settings.base_model
    merged = folder / "models" / f"{base.name}-finetune"
    train = [f"--base_model={base}", f"--language={name}", f"--train_data={data}/train.jsonl"]
    train += [f"--dev_data={data}/dev.jsonl", f"--output_dir={folder}/"]
    if settings.num_train_epochs != RealSpeechSettings.num_train_epochs:
        train.append(f"--num_train_epochs={settings.num_train_epochs:g}")
    score = [f"--model_path={merged}", f"--baseline={base}", f"--language={name}"]
    score += [f"--test_data={data}/test.jsonl", "--no_cache=True"]
    run = f"--lora_model={folder}/{base.name}/checkpoint-best/"
    return {
        "train": ["finetune.py", *train],
        "merge": ["merge_lora.py", run, f"--output_dir={folder}/models/"],
        **{
            decoding: ["evaluation.py", *score, *flags, f"--report_dir={folder}/{decoding}/"]
            for decoding, flags in DECODING.items()
        },
    }


def measure_set(name: str, settings: RealSpeechSettings) -> dict[str, Any]:
    """Run the commands of one set; return what each cost and what was scored."""
    folder = settings.work_dir / name
    shutil.rmtree(folder, ignore_errors=True)
    steps = commands(name, settings)
    return {
        "epochs": settings.num_train_epochs,
        "steps": {step: timed(command) for step, command in steps.items()},
        "scores": {
            decoding: {
                "before" if score["model_path"] == str(settings.base_model) else "after": {
                    field: score[field] for field in KEPT
                }
                for score in read_results(folder / decoding / "results.json")["scores"]
            }
            for decoding in DECODING
        },
    }


def timed(command: Sequence[str]) -> dict[str, Any]:
    """Run a command; return it with its seconds, processor seconds and peak memory in bytes.

    Raises:
        Failure: it did not end with exit code 0.
    """
    shown = f"python {shlex.join(command)}"
    say(f"\n{shown}")
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failure(f"{command[0]} ended with exit code {process.returncode}", shown)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return {
        "command": shown,
        "seconds": time.perf_counter() - began,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * unit,
    }


def tables(found: dict[str, Any]) -> str:
    """Return the tables of docs/results.md: rates before and after, and what each step cost."""
    rates, costs = [], []
    for name, measured in found["sets"].items():
        for decoding, scores in measured["scores"].items():
            for when in ("before", "after"):
                score = scores[when]
                kinds = (str(score[kind]) for kind in ("substitutions", "deletions", "insertions"))
                rate = f"{score['metric'].upper()} {percent(score['rate'])}"
                row = [name, decoding, when, rate, percent_interval(score["interval"]), *kinds]
                rates.append([*row, str(score["reference_tokens"])])
        for step, cost in measured["steps"].items():
            minutes = (f"{cost[kind] / 60:.1f} min" for kind in ("seconds", "processor_seconds"))
            costs.append([name, step, *minutes, f"{cost['peak_bytes'] / 1e9:.1f} GB"])
    header = ["set", "decoding", "tuning", "rate", "95 % interval", "substituted", "deleted"]
    first = markdown_table([*header, "inserted", "of"], rates, words=3)
    header = ["set", "step", "time", "processor time", "peak memory"]
    return first + "\n\n" + markdown_table(header, costs, words=2)


if __name__ == "__main__":
    sys.exit(run_script(main))
