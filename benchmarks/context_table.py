r"""What cutting the window costs and saves: trained each way, decoded each way, in one table.

    python benchmarks/context_table.py --base_model=demo/base --train_data=demo/zh/train.jsonl \
        --dev_data=demo/zh/dev.jsonl --test_data=demo/zh/test.jsonl --max_steps=100
    python benchmarks/context_table.py --kinds=full,mixed,mixed+match --match_steps=200

Fine-tunes the base once for each kind (finetune.py, or finetune_all.py with
--train_all=True) and scores each model on cut, thinned and 30 s windows (evaluation.py); the base
as it is comes first. A kind is an audio context, with what spares a model that only knows 30 s
windows after a plus: warmup, match, margin, or several (dynamic+warmup+margin). Finished parts are
kept in --work_dir: a run that was stopped goes on. Writes the measurements to --output and prints
the table.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, read_measured, write_measured
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings

CONTEXTS = ("full", "thinned", "mixed", "dynamic")
AIDS = ("warmup", "match", "margin")


@dataclass(frozen=True)
class ContextTableSettings:
    """What is trained and scored."""

    base_model: str = "demo/base"
    """Whisper to start from."""
    train_data: str = "demo/zh/train.jsonl"
    """Manifest to train on."""
    dev_data: str = "demo/zh/dev.jsonl"
    """Manifest that chooses the best checkpoint."""
    test_data: str = "demo/zh/test.jsonl"
    """Manifest to score on."""
    language: str = "zh"
    """Language of utterances that state none."""
    kinds: tuple[str, ...] = (
        *CONTEXTS,
        *("mixed+warmup", "mixed+match", "mixed+margin"),
        *("dynamic+warmup", "dynamic+match", "dynamic+margin"),
    )
    """What is trained, with commas between."""
    max_steps: int = 100
    """Optimizer steps of each training."""
    batch_size: int = 8
    """Utterances in a step."""
    accumulation: int = 1
    """Parts of a step that are computed one after another."""
    learning_rate: float | None = None
    """Highest learning rate; None: the script's own."""
    warmup_steps: int = 20
    """Steps over which the learning rate rises."""
    context_warmup_steps: int = 50
    """Steps over which the window shrinks, of kinds with +warmup."""
    match_steps: int = 100
    """Steps of matching 30 s states, of kinds with +match."""
    margin: float = 1.0
    """Seconds of silence after the speech, of kinds with +margin."""
    train_all: bool = False
    """Train every weight (finetune_all.py) instead of an adapter."""
    augment_config_path: str | None = None
    """Augmentation settings."""
    seeds: tuple[int, ...] = (42,)
    """Each kind is trained once with each."""
    num_workers: int = 0
    """Processes that read audio."""
    work_dir: Path = Path("output/context_table")
    """For the runs and their scores."""
    output: Path = Path("benchmarks/results/context_table.json")
    """File for the measurements."""
    table: bool = False
    """Print the table of docs/speed.md from --output; nothing is measured."""

    def __post_init__(self) -> None:
        for kind in self.kinds:
            context, *aids = kind.split("+")
            wrong = [aid for aid in aids if aid not in AIDS]
            if context not in CONTEXTS or wrong or (context in ("full", "thinned") and aids):
                raise UserError(
                    f"--kinds={kind}: expected one of {', '.join(CONTEXTS)}, the last two with "
                    f"any of +{', +'.join(AIDS)}"
                )


def main(argv: Sequence[str] | None = None) -> None:
    """Train each kind, score each model in all ways, write the figures and the table."""
    settings = parse_settings(
        ContextTableSettings, argv, prog="context_table.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    # torch and transformers are imported after the flags are read, so that --help is instant.
    from benchmarks.speed.contexts import markdown_table, measure_all

    if not settings.table:
        write_measured(settings.output, measure_all(settings))
    say(markdown_table(read_measured(settings.output)))


if __name__ == "__main__":
    sys.exit(run_script(main))
