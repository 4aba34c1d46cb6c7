"""The commands that a person would type for one real set, and how they are run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.real.sets import RealSet

DEMO_BASE = "demo/base"


def base_path(work_dir: Path) -> Path:
    """Return the folder of the base model that real_base.py makes."""
    return work_dir / "base"


@dataclass(frozen=True)
class Job:
    """One set and where everything about it goes.

    Attributes:
        real: the set.
        data_dir: folder of the recorded speech.
        work_dir: folder of the base model and of all that is made.
        num_train_epochs: passes over the train part.
        max_steps: -1 for no limit.
    """

    real: RealSet
    data_dir: Path
    work_dir: Path
    num_train_epochs: float
    max_steps: int = -1

    @property
    def folder(self) -> Path:
        """Where everything about this set goes."""
        return self.work_dir / self.real.language

    @property
    def run(self) -> Path:
        """The fine-tuning run."""
        return self.folder / "base"

    @property
    def merged(self) -> Path:
        """The fine-tuned model."""
        return self.folder / "models" / "base-finetune"

    def part(self, name: str) -> str:
        """Return the path of a part as it was recorded."""
        return f"{self.data_dir}/{self.real.folder}/{name}.jsonl"

    def manifest(self, name: str) -> Path:
        """Return the path of a part with its text in lower case."""
        return self.folder / "data" / f"{name}.jsonl"

    def scores(self, metric: str) -> Path:
        """Return the report folder of a metric."""
        return self.folder / f"scores-{metric}"

    def commands(self) -> list[list[str]]:
        """Return all commands, without the interpreter, in order."""
        parts = ",".join(self.part(name) for name in ("train", "dev", "test"))
        merge = ["merge_lora.py", f"--lora_model={self.run}/checkpoint-best"]
        return [
            ["check_data.py", f"--data={parts}"],
            self._finetune(),
            [*merge, f"--output_dir={self.folder}/models"],
            *(self._evaluate(metric) for metric in self.real.metrics),
        ]

    def _finetune(self) -> list[str]:
        return [
            "finetune.py",
            f"--base_model={base_path(self.work_dir)}",
            f"--train_data={self.manifest('train')}",
            f"--dev_data={self.manifest('dev')}",
            f"--output_dir={self.folder}",
            f"--language={self.real.language}",
            f"--num_train_epochs={self.num_train_epochs:g}",
            f"--max_steps={self.max_steps}",
            "--learning_rate=1e-3",
            "--warmup_steps=20",
            "--audio_context=dynamic",
            "--logging_steps=10",
            "--eval_steps=60",
            "--save_steps=60",
            "--save_total_limit=1",
            "--overwrite_output_dir=True",
        ]

    def _evaluate(self, metric: str) -> list[str]:
        return [
            "evaluation.py",
            f"--model_path={self.merged}",
            f"--baseline={DEMO_BASE},{base_path(self.work_dir)}",
            f"--test_data={self.part('test')}",
            f"--language={self.real.language}",
            f"--metric={metric}",
            f"--report_dir={self.scores(metric)}",
        ]
