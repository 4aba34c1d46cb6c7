"""The whole job on the bundled data: check, score the base, fine-tune, merge, score, report.

    python demo/run.py                # what `make demo` calls; four minutes on two cores

Runs the scripts as a person would, and prints each command before it starts. Everything is written
to output/demo/: results.json and predictions of each evaluation, the run, the merged model, a page
with every utterance, a picture of the curves, and summary.json.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A script's own folder is on the path; the repository, which holds `utils` and `demo`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demo.outcome import METRICS, Places, collect, format_table, write_outcome
from utils.cli.console import say
from utils.cli.errors import run_script
from utils.cli.flags import parse_settings
from utils.cli.steps import run_step

REPOSITORY = Path(__file__).resolve().parent.parent
BASE = "demo/base"


@dataclass(frozen=True)
class DemoSettings:
    """How long the demo trains and where it writes."""

    output_dir: str = "output/demo"
    """folder for everything that the demo writes"""

    max_steps: int = -1
    """stop the training after so many steps; -1: as configs/demo.yaml says"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run every step, then show what changed."""
    settings = parse_settings(DemoSettings, argv, prog="run.py", description=__doc__ or "")
    os.chdir(REPOSITORY)
    began = time.monotonic()
    places = Places(BASE, settings.output_dir)
    steps = commands(places, settings.max_steps)
    for number, command in enumerate(steps, 1):
        run_step(f"{number}/{len(steps)}", command)
    scores = collect(places)
    seconds = time.monotonic() - began
    write_outcome(places, scores, seconds)
    say(f"\n{format_table(scores)}\n")
    for what, path in places.written():
        say(f"{what:<22} {path}")
    say(f"\n{seconds:.0f} s in all")


def commands(places: Places, max_steps: int = -1) -> list[list[str]]:
    """Return the commands of the demo, without the interpreter, in order.

    Args:
        places: what is read and where things are written.
        max_steps: of the training; -1 for what its configuration says.
    """
    parts = [f"demo/{name}.jsonl" for name in ("train", "dev", "zh/test", "en/test")]
    check = ["check_data.py", f"--data={','.join(parts)}"]
    train = [
        "finetune.py",
        "--config=configs/demo.yaml",
        f"--output_dir={places.out}",
        "--overwrite_output_dir=True",
        *([f"--max_steps={max_steps}"] if max_steps > 0 else []),
    ]
    merge = ["merge_lora.py", f"--lora_model={places.adapter}", f"--output_dir={places.models}"]
    # Beside the base stands the adapter: merging must change nothing.
    merged = [f"--model_path={places.merged}", f"--baseline={places.base},{places.adapter}"]
    results = (f"{places.report('finetuned', language)}/results.json" for language in METRICS)
    page = ["report.py", f"--results={','.join(results)}", f"--output_dir={places.page}"]
    return [
        check,
        *_evaluations(places, "base", [f"--model_path={places.base}"]),
        train,
        merge,
        *_evaluations(places, "finetuned", merged),
        [*page, "--forms=html", "--title=The demo: before and after fine-tuning"],
    ]


def _evaluations(places: Places, step: str, models: Sequence[str]) -> list[list[str]]:
    return [
        [
            "evaluation.py",
            *models,
            f"--test_data={language}=demo/{language}/test.jsonl",
            f"--language={language}",
            f"--metric={metric}",
            f"--report_dir={places.report(step, language)}",
        ]
        for language, metric in METRICS.items()
    ]


if __name__ == "__main__":
    sys.exit(run_script(main))
