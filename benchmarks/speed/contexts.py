"""Trained each way and decoded each way: the commands, what they measured, and the table."""

from __future__ import annotations

import json
import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measured import machine
from utils.cli.steps import run_step
from utils.evaluation.results import read_results
from utils.report.figures.curves import read_metrics
from utils.report.tables import percent, percent_interval

if TYPE_CHECKING:
    from benchmarks.context_table import ContextTableSettings

DECODED = ("dynamic", "thinned", "full")
MARK = "done.json"
BASE = "base, as it is"
KEPT = ("metric", "normalizer", "rate", "errors", "reference_tokens", "utterances", "interval")


@dataclass(frozen=True)
class Kind:
    """One way to train, with one seed.

    Attributes:
        settings: of the table.
        name: such as "mixed+match"; BASE for no training.
        seed: of the training.
    """

    settings: ContextTableSettings
    name: str
    seed: int

    @property
    def folder(self) -> Path:
        """Where everything about it goes."""
        return (
            self.settings.work_dir
            / f"{self.name.replace(', ', '-').replace(' ', '-')}"
            / str(self.seed)
        )

    @property
    def run(self) -> Path:
        """The fine-tuning run."""
        return self.folder / Path(self.settings.base_model).name

    @property
    def model(self) -> str:
        """What is scored."""
        return self.settings.base_model if self.name == BASE else str(self.run / "checkpoint-final")

    def training(self) -> list[str]:
        """The command that trains it."""
        settings = self.settings
        context, *aids = self.name.split("+")
        optional = {
            "learning_rate": settings.learning_rate,
            "augment_config_path": settings.augment_config_path,
            "context_warmup_steps": settings.context_warmup_steps if "warmup" in aids else None,
            "context_match_steps": settings.match_steps if "match" in aids else None,
        }
        return [
            "finetune_all.py" if settings.train_all else "finetune.py",
            f"--base_model={settings.base_model}",
            f"--train_data={settings.train_data}",
            f"--dev_data={settings.dev_data}",
            f"--output_dir={self.folder}",
            f"--language={settings.language}",
            f"--audio_context={context}",
            f"--context_margin={settings.margin if 'margin' in aids else 0.0:g}",
            f"--max_steps={settings.max_steps}",
            f"--per_device_train_batch_size={settings.batch_size}",
            f"--gradient_accumulation_steps={settings.accumulation}",
            f"--warmup_steps={settings.warmup_steps}",
            f"--num_workers={settings.num_workers}",
            f"--seed={self.seed}",
            *(f"--{name}={value}" for name, value in optional.items() if value is not None),
            f"--logging_steps={max(1, settings.max_steps // 20)}",
            f"--eval_steps={settings.max_steps}",
            f"--save_steps={settings.max_steps}",
            "--eval_on_start=False",
            "--save_total_limit=1",
            "--overwrite_output_dir=True",
        ]

    def report_dir(self, decoded: str) -> Path:
        """Where the scores of one way of decoding go."""
        return self.folder / f"decoded-{decoded}"

    def evaluation(self, decoded: str) -> list[str]:
        """The command that scores it on one kind of window."""
        return [
            "evaluation.py",
            f"--model_path={self.model}",
            f"--test_data={self.settings.test_data}",
            f"--language={self.settings.language}",
            f"--audio_context={decoded}",
            f"--batch_size={self.settings.batch_size}",
            f"--report_dir={self.report_dir(decoded)}",
        ]


def measure_all(settings: ContextTableSettings) -> dict[str, Any]:
    """Train and score what is not yet done, then collect all of it."""
    kinds = [Kind(settings, BASE, 0)]
    kinds += [Kind(settings, name, seed) for name in settings.kinds for seed in settings.seeds]
    rows = []
    for number, kind in enumerate(kinds, 1):
        label = f"{number}/{len(kinds)} {kind.name}"
        commands = [] if kind.name == BASE else [kind.training()]
        if commands:
            _once(kind.folder / MARK, commands, label)
        for decoded in DECODED:
            both = [*commands, kind.evaluation(decoded)]
            _once(kind.report_dir(decoded) / MARK, both, label)
        rows.append(_row(kind))
    return {"schema": 1, "machine": machine(), "rows": rows}


def _once(mark: Path, commands: list[list[str]], label: str) -> None:
    """Run the last of some commands, unless these very ones were run to their end before."""
    if mark.is_file() and _read(mark)["commands"] == commands:
        return
    began, before = time.perf_counter(), _cpu_seconds()
    run_step(label, commands[-1])
    done = {
        "commands": commands,
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(_cpu_seconds() - before, 2),
    }
    mark.write_text(json.dumps(done), encoding="utf-8")


def _cpu_seconds() -> float:
    """What the cores have worked for the commands that ended, whatever else they had to do."""
    times = os.times()
    return times.children_user + times.children_system


def _read(mark: Path) -> dict[str, Any]:
    """What a finished command left: `commands`, its `seconds` and `cpu_seconds`, start to end."""
    done: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8"))
    return done


def _row(kind: Kind) -> dict[str, Any]:
    """Everything that was measured about one training."""
    row: dict[str, Any] = {"trained": kind.name, "seed": kind.seed}
    if kind.name != BASE:
        steps = [line for line in read_metrics(kind.run / "metrics.jsonl") if "loss" in line]
        row["training"] = {name: steps[-1][name] for name in ("step", "examples", "seconds")}
        row["training"] |= _seconds(kind.folder, "command_")
        row["loss"] = [[line["step"], line["loss"]] for line in steps]
        row["command"] = f"python {shlex.join(kind.training())}"
    for decoded in DECODED:
        folder = kind.report_dir(decoded)
        (score,) = read_results(folder / "results.json")["scores"]
        row[decoded] = {**{name: score[name] for name in KEPT}, **_seconds(folder)}
    return row


def _seconds(folder: Path, prefix: str = "") -> dict[str, float]:
    done = _read(folder / MARK)
    return {f"{prefix}{name}": done[name] for name in ("seconds", "cpu_seconds")}


def markdown_table(found: dict[str, Any]) -> str:
    """Error and time of every training and decoding, a line each.

    Times are CPU seconds of the whole command, matching and the start of Python included: what one
    thread takes, also on a machine that has other things to do.
    """
    metric = found["rows"][0]["dynamic"]["metric"].upper()
    lines = [
        f"| trained | seed | steps | CPU seconds to train "
        f"| {' | '.join(f'{metric}, decoded {name}' for name in DECODED)} "
        f"| CPU seconds to decode, {' | '.join(DECODED)} |",
        "|---" * (4 + 2 * len(DECODED)) + "|",
    ]
    for row in found["rows"]:
        trained = row.get("training", {})
        seconds = trained.get("command_cpu_seconds")
        figures = [str(trained.get("step", "")), "" if seconds is None else f"{seconds:.0f}"]
        errors = [
            f"{percent(row[name]['rate'])} ({percent_interval(row[name]['interval'])})"
            for name in DECODED
        ]
        times = [f"{row[name]['cpu_seconds']:.0f}" for name in DECODED]
        cells = [row["trained"], str(row["seed"]), *figures]
        lines.append(f"| {' | '.join([*cells, *errors, *times])} |")
    return "\n".join(lines) + "\n"
