"""OpenAI's whisper-base on recorded speech, before and after fine-tuning, as a person would do it.

    python benchmarks/real_speech.py                  # what `make bench-real` calls; hours
    python benchmarks/real_speech.py --runs=en --num_train_epochs=1
    python benchmarks/real_speech.py --table=True     # the tables of docs/results.md; runs nothing

| run | what it is |
|---|---|
| zh, en | finetune.py (LoRA) on that training part, with its defaults |
| zh_keep | zh with `--keep_data`: a tenth of the examples are replayed from English |
| zh_full | finetune_all.py (every weight), with its defaults |

An adapter is merged twice: whole, and half of the way from the base (`--alpha=0.5`). evaluation.py
scores them and the base, with its defaults, on the test part of their language; what was trained on
Mandarin also on that of English and on 12 clips in eight languages, to see what was forgotten. Each
command is printed before it runs. What is done is not done again: a killed benchmark goes on.
Rates, curves, seconds, processor time and peak memory go into benchmarks/results/real_speech.json.
Skips, naming what is absent, without the recordings or the model.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
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
from utils.report.tables import markdown_table, percent, percent_interval

SETS = {"zh": "zh_aishell_S0150", "en": "en_speechocean762"}
OTHERS = {"zh": ("en", "multilingual"), "en": ()}
"""Test sets that a model tuned on a language is scored on beside its own."""
RUNS = ("zh", "en", "zh_keep", "zh_full")
ALPHAS = {"tuned": 1.0, "half": 0.5}
BASE = "base"
KEPT = (
    *("metric", "normalizer", "rate", "interval", "errors", "substitutions", "deletions"),
    *("insertions", "reference_tokens", "utterances", "failed"),
)


@dataclass(frozen=True)
class RealSpeechSettings:
    """What is run; the defaults made docs/results.md."""

    runs: tuple[str, ...] = RUNS
    """zh, en, zh_keep and zh_full, separated by commas."""
    base_model: Path = Path("../shared/models/whisper-base")
    """Folder of OpenAI's whisper-base."""
    data: Path = Path("../shared/data")
    """Folder of the recorded speech."""
    num_train_epochs: float = 3.0
    """Passes over the training part; 3 is the default of finetune.py."""
    work_dir: Path = Path("output/real_speech")
    """Folder for runs, models, the cache and reports."""
    output: Path = Path("benchmarks/results/real_speech.json")
    """File for the measurements."""
    table: bool = False
    """Print the tables of docs/results.md from --output; nothing is run."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.runs if name not in RUNS]
        if unknown:
            raise UserError(f"--runs={','.join(unknown)}: expected {', '.join(RUNS)}")

    @property
    def needed(self) -> list[Path]:
        """Folders without which nothing can be measured."""
        languages = dict.fromkeys(name[:2] for name in self.runs)
        names = [SETS[each] for each in languages]
        others = {other for each in languages for other in OTHERS[each]}
        names += [SETS.get(other, other) for other in sorted(others)]
        return [self.base_model, *(self.data / name for name in dict.fromkeys(names))]

    def manifest(self, test_set: str) -> Path:
        """What a test set is scored on."""
        if test_set in SETS:
            return self.data / SETS[test_set] / "test.jsonl"
        return self.data / test_set / "all.jsonl"


def main(argv: Sequence[str] | None = None) -> None:
    """Train and score each run, or print the tables of what was measured."""
    settings = parse_settings(
        RealSpeechSettings, argv, prog="real_speech.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    if settings.table:
        say(tables(read_measured(settings.output)))
        return
    absent = [str(path) for path in settings.needed if not path.is_dir()]
    if absent:
        say(f"skipped: {', '.join(absent)} not found; name them with --base_model and --data")
        return
    for name in settings.runs:
        measured = measure_run(name, settings)
        found = read_measured(settings.output) if settings.output.is_file() else {"sets": {}}
        found["machine"] = machine()
        found["sets"][name] = measured
        write_measured(settings.output, found)
    say("\n" + tables(read_measured(settings.output)))


def commands(name: str, settings: RealSpeechSettings) -> dict[str, list[str]]:
    """Return the commands of one run, without the interpreter, in order."""
    language, base = name[:2], settings.base_model
    data, folder = settings.data / SETS[language], settings.work_dir / name
    train = [f"--base_model={base}", f"--language={language}", f"--train_data={data}/train.jsonl"]
    train += [f"--dev_data={data}/dev.jsonl", f"--output_dir={folder}/"]
    train += ["--resume_from_checkpoint=auto"]
    if name == "zh_keep":
        train.append(f"--keep_data={settings.data / SETS['en'] / 'train.jsonl'}")
    if settings.num_train_epochs != RealSpeechSettings.num_train_epochs:
        train.append(f"--num_train_epochs={settings.num_train_epochs:g}")
    best = f"{folder}/{base.name}/checkpoint-best"
    if name == "zh_full":
        return {
            "train": ["finetune_all.py", *train],
            "score": ["evaluation.py", f"--model_path=tuned={best}", *scoring(name, settings)],
        }
    merges, models = {}, []
    for merged, alpha in ALPHAS.items():
        flags = [f"--lora_model={best}/", f"--output_dir={folder}/{merged}/"]
        flags += [] if alpha == 1 else [f"--alpha={alpha}"]
        merges[f"merge {merged}"] = ["merge_lora.py", *flags]
        models.append(f"{merged}={folder}/{merged}/{base.name}-finetune")
    score = ["evaluation.py", f"--model_path={','.join(models)}", *scoring(name, settings)]
    return {"train": ["finetune.py", *train], **merges, "score": score}


def scoring(name: str, settings: RealSpeechSettings) -> Iterator[str]:
    """Flags of evaluation.py: the base, the test sets, and where the texts are kept."""
    sets = (name[:2], *OTHERS[name[:2]])
    yield f"--baseline={BASE}={settings.base_model}"
    yield "--test_data=" + ",".join(f"{each}={settings.manifest(each)}" for each in sets)
    yield f"--cache_dir={settings.work_dir}/cache/"
    yield f"--report_dir={settings.work_dir}/{name}/scores/"


def measure_run(name: str, settings: RealSpeechSettings) -> dict[str, Any]:
    """Run the commands of one run that are not done; return what each cost and what was scored."""
    folder = settings.work_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "costs.json"
    costs: dict[str, Any] = json.loads(kept.read_text("utf-8")) if kept.is_file() else {}
    for step, command in commands(name, settings).items():
        if step not in costs:
            costs[step] = timed(command)
            kept.write_text(json.dumps(costs), "utf-8")
    scores: dict[str, dict[str, Any]] = {}
    for score in read_results(folder / "scores" / "results.json")["scores"]:
        test_set = score.get("test_set") or score["test_data"]
        fields = {field: score[field] for field in KEPT}
        fields["audio_context"] = score["decoding"]["audio_context"]
        scores.setdefault(test_set, {})[score["model"]] = fields
    return {
        "epochs": settings.num_train_epochs,
        "steps": costs,
        "scores": scores,
        "curve": curve(folder / settings.base_model.name / "metrics.jsonl"),
    }


def curve(metrics: Path) -> list[list[float]]:
    """Return step, dev loss and dev error rate of each evaluation of a run."""
    events = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]
    return [
        [event["step"], event["dev_loss"], event.get("dev_cer", event.get("dev_wer"))]
        for event in events
        if "dev_loss" in event
    ]


def tables(found: dict[str, Any]) -> str:
    """Return the tables of docs/results.md: rates before and after, curves, and costs."""
    rates, curves, costs = [], [], []
    for name, measured in found["sets"].items():
        for test_set, scores in measured["scores"].items():
            for model, score in scores.items():
                kinds = (str(score[kind]) for kind in ("substitutions", "deletions", "insertions"))
                rate = f"{score['metric'].upper()} {percent(score['rate'])}"
                row = [name, test_set, model, rate, percent_interval(score["interval"]), *kinds]
                rates.append([*row, str(score["reference_tokens"])])
        for step, loss, rate in measured["curve"]:
            curves.append([name, f"{step:.0f}", f"{loss:.3f}", percent(rate)])
        for step, cost in measured["steps"].items():
            minutes = (f"{cost[kind] / 60:.1f} min" for kind in ("seconds", "processor_seconds"))
            costs.append([name, step, *minutes, f"{cost['peak_bytes'] / 1e9:.1f} GB"])
    header = ["run", "scored on", "model", "rate", "95 % interval", "substituted", "deleted"]
    first = markdown_table([*header, "inserted", "of"], rates, words=3)
    second = markdown_table(["run", "step", "dev loss", "dev error rate"], curves, words=1)
    header = ["run", "command", "time", "processor time", "peak memory"]
    return "\n\n".join([first, second, markdown_table(header, costs, words=2)])


if __name__ == "__main__":
    sys.exit(run_script(main))
