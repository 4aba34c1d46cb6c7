"""The published recipes beside ours: the same base, clips and steps, then the same time.

    python benchmarks/recipes.py                             # hours of one core
    python benchmarks/recipes.py --recipes=lora,ours --seeds=42 --max_steps=40
    python benchmarks/recipes.py --table=True                # the tables of docs/results.md

| recipe | what it is |
|---|---|
| lora | yeyupiaoling's Whisper-Finetune with LoRA of rank 32 |
| adalora | the same with its default, AdaLoRA |
| seq2seq | transformers' example run_speech_recognition_seq2seq, all weights |
| ours | finetune.py with its defaults, as many steps |
| ours_same_time | finetune.py with its defaults, as many steps as fit into the time of lora |

Each is trained by its published settings (benchmarks/speed/published.py) and transcribed by
evaluation.py on the windows that it was trained on. What was trained is not trained again, and
what was transcribed is in a cache: a killed benchmark goes on. Writes
benchmarks/results/recipes.json: processor seconds and peak memory of each training, the scores on
the test part, and the paired differences. Skips, naming what is absent, without the recordings or
the model.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, read_measured, timed, write_measured
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings
from utils.evaluation.results import read_results
from utils.report.tables import markdown_table, percent, percent_interval, points

SETS = {"zh": "zh_aishell_S0150", "en": "en_speechocean762"}
PUBLISHED = ("lora", "adalora", "seq2seq")
OURS, SAME_TIME = "ours", "ours_same_time"
RECIPES = (*PUBLISHED, OURS, SAME_TIME)
KEPT = (
    *("metric", "rate", "interval", "errors", "substitutions", "deletions", "insertions"),
    *("reference_tokens", "utterances"),
)


@dataclass(frozen=True)
class RecipesSettings:
    """What is trained."""

    recipes: tuple[str, ...] = RECIPES
    """Recipes, separated by commas."""
    seeds: tuple[int, ...] = (42,)
    """Seeds of the data order and the adapter's first weights."""
    set: str = "zh"
    """zh (AISHELL-1, one speaker) or en (speechocean762)."""
    max_steps: int = 40
    """Steps of 8 clips; 40 are a pass over zh."""
    base_model: Path = Path("../shared/models/whisper-base")
    """Folder of OpenAI's whisper-base."""
    data: Path = Path("../shared/data")
    """Folder of the recorded speech."""
    work_dir: Path = Path("output/recipes")
    """Folder for runs, models, the cache and reports."""
    output: Path = Path("benchmarks/results/recipes.json")
    """File for the measurements."""
    table: bool = False
    """Print the tables of docs/results.md from --output; nothing is run."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.recipes if name not in RECIPES]
        if unknown:
            raise UserError(f"--recipes={','.join(unknown)}: expected {', '.join(RECIPES)}")
        if self.set not in SETS:
            raise UserError(f"--set={self.set}: expected {', '.join(SETS)}")

    @property
    def corpus(self) -> Path:
        """Folder of the set."""
        return self.data / SETS[self.set]


def main(argv: Sequence[str] | None = None) -> None:
    """Train what has not been trained, score it, write the file and say the tables."""
    settings = parse_settings(RecipesSettings, argv, prog="recipes.py", description=__doc__ or "")
    os.chdir(REPOSITORY)
    if settings.table:
        say(tables(read_measured(settings.output)))
        return
    absent = [str(path) for path in (settings.base_model, settings.corpus) if not path.is_dir()]
    if absent:
        say(f"skipped: {', '.join(absent)} not found; name them with --base_model and --data")
        return
    for seed in settings.seeds:
        costs: dict[str, dict[str, Any]] = {}
        for recipe in (name for name in RECIPES if name in settings.recipes):
            steps = settings.max_steps
            if recipe == SAME_TIME:
                steps = steps_in_the_time(costs, steps)
            costs[recipe] = trained(settings, recipe, seed, steps)
            add(settings, seed, costs)
    say("\n" + tables(read_measured(settings.output)))


def steps_in_the_time(costs: dict[str, dict[str, Any]], steps: int) -> int:
    """Steps of ours that take the processor time of the published LoRA recipe.

    Raises:
        UserError: one of the two was not trained.
    """
    if not {"lora", OURS} <= set(costs):
        raise UserError(f"--recipes={SAME_TIME} needs lora and {OURS} beside it")
    ratio = costs["lora"]["processor_seconds"] / costs[OURS]["processor_seconds"]
    return max(steps, int(steps * ratio))


def model_of(settings: RecipesSettings, recipe: str, seed: int) -> Path:
    """Folder of a recipe's model."""
    folder = settings.work_dir / f"{recipe}-{settings.set}-{seed}-{settings.max_steps}"
    return folder / ("model" if recipe in PUBLISHED else settings.base_model.name)


def trained(settings: RecipesSettings, recipe: str, seed: int, steps: int) -> dict[str, Any]:
    """Train with a recipe, unless that was done; return what it cost."""
    model = model_of(settings, recipe, seed)
    done = model.parent / "cost.json"
    if done.is_file():
        cost: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return cost
    shutil.rmtree(model.parent, ignore_errors=True)
    train, dev = (settings.corpus / f"{part}.jsonl" for part in ("train", "dev"))
    if recipe in PUBLISHED:
        command = ["benchmarks/speed/published.py", f"--recipe={recipe}", f"--train_data={train}"]
        command += [f"--language={settings.set}", f"--output_dir={model}"]
    else:
        command = ["finetune.py", f"--train_data={train}", f"--dev_data={dev}"]
        command += [f"--language={settings.set}", f"--output_dir={model.parent}/"]
        # The others score nothing on the way.
        command += ["--eval_on_start=False", f"--eval_steps={steps}"]
    command += [f"--base_model={settings.base_model}", f"--max_steps={steps}", f"--seed={seed}"]
    cost = {"steps": steps, **timed(command)}
    write_measured(done, cost)
    return cost


def add(settings: RecipesSettings, seed: int, costs: dict[str, dict[str, Any]]) -> None:
    """Score the recipes that are trained on the test part and put them into the file."""
    models = {}
    for recipe in costs:
        folder = model_of(settings, recipe, seed)
        models[recipe] = folder if recipe in PUBLISHED else folder / "checkpoint-final"
    published = [f"{name}={path}" for name, path in models.items() if name in PUBLISHED]
    mine = [f"{name}={path}" for name, path in models.items() if name not in PUBLISHED]
    report = settings.work_dir / f"scores-{settings.set}-{seed}"
    command = ["evaluation.py", f"--test_data={settings.corpus / 'test.jsonl'}"]
    command += [f"--model_path={','.join(mine or published)}", f"--language={settings.set}"]
    if mine and published:
        command.append(f"--baseline={','.join(published)}")
    command += [f"--report_dir={report}/", f"--cache_dir={settings.work_dir}/cache/"]
    timed(command)
    results = read_results(report / "results.json")
    found: dict[str, Any] = {"schema": 1, "groups": []}
    if settings.output.is_file():
        found = read_measured(settings.output)
    what = {"set": settings.set, "seed": seed, "max_steps": settings.max_steps}
    others = [group for group in found["groups"] if {**group, **what} != group]
    group = {
        **what,
        "machine": machine(),
        "costs": costs,
        "scores": {
            score["model"]: {field: score[field] for field in KEPT} for score in results["scores"]
        },
        "comparisons": [
            {field: each[field] for field in ("model", "baseline", "difference", "interval", "p")}
            for each in results["comparisons"]
        ],
    }
    found["groups"] = [*others, group]
    write_measured(settings.output, found)


def tables(found: dict[str, Any]) -> str:
    """Return the recipes' rates and costs, and the paired differences."""
    rows, pairs = [], []
    for group in found["groups"]:
        seed = str(group["seed"])
        for recipe, cost in group["costs"].items():
            score = group["scores"][recipe]
            rate = f"{score['metric'].upper()} {percent(score['rate'])}"
            minutes = f"{cost['processor_seconds'] / 60:.1f} min"
            memory = f"{cost['peak_bytes'] / 1e9:.1f} GB"
            row = [recipe, group["set"], seed, str(cost["steps"]), rate]
            rows.append([*row, percent_interval(score["interval"]), minutes, memory])
        for each in group["comparisons"]:
            low, high = (points(end).removesuffix(" points") for end in each["interval"])
            row = [each["model"], each["baseline"], group["set"], seed]
            pairs.append([*row, points(each["difference"]), f"{low} to {high}", f"{each['p']:.2g}"])
    header = ["recipe", "set", "seed", "steps", "rate", "95 % interval", "processor time"]
    first = markdown_table([*header, "peak memory"], rows, words=2)
    header = ["recipe", "against", "set", "seed", "difference", "95 % interval", "p"]
    return first + "\n\n" + markdown_table(header, pairs, words=3)


if __name__ == "__main__":
    sys.exit(run_script(main))
