"""Ten fixed examples of the dev set, reference and hypothesis, after each evaluation.

They are written to `dev_examples.jsonl` in the run's folder, to TensorBoard, and to each tracker of
`SINKS` that `--report_to` names. So are the settings. Other trackers of the Trainer get the
numbers.
To add a tracker, write a function and a row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from transformers import TrainerCallback

from utils.cli.console import is_main_process
from utils.cli.data_files import parse_json
from utils.cli.files import atomic_write, naming
from utils.scoring.predictions import Prediction
from utils.training.callbacks import TensorBoard, read_lines

if TYPE_CHECKING:
    from utils.training.trainer import WhisperTrainer

EXAMPLES = 10
FILE = "dev_examples.jsonl"


class Example(NamedTuple):
    """An utterance of the dev set: its reference and what the model makes of it, as written."""

    id: str
    reference: str
    hypothesis: str


def fixed_examples(predictions: Sequence[Prediction]) -> list[Example]:
    """Choose examples from all over the dev set, the same whatever the hypotheses are.

    Args:
        predictions: of the whole dev set, in its order.
    """
    size = min(EXAMPLES, len(predictions))
    chosen = [predictions[place * len(predictions) // size] for place in range(size)]
    return [Example(each.id, each.reference, each.hypothesis) for each in chosen]


def as_text(examples: Sequence[Example]) -> str:
    """Return examples as lines of text, each with REF and HYP under its id."""
    lines = []
    for each in examples:
        one_line = (" ".join(text.split()) for text in (each.reference, each.hypothesis))
        reference, hypothesis = (text or "(nothing)" for text in one_line)
        lines += [each.id, f"  REF  {reference}", f"  HYP  {hypothesis}"]
    return "\n".join(lines)


class DevTranscripts(TrainerCallback):
    """Writes the examples after each evaluation, and the settings once.

    Args:
        trainer: of the run; it holds what was transcribed last.
        trackers: names in `--report_to`.
    """

    def __init__(self, trainer: WhisperTrainer, trackers: Sequence[str]) -> None:
        self.trainer = trainer
        self.sinks = [SINKS[name] for name in trackers if name in SINKS]

    @property
    def _file(self) -> Path:
        return self.trainer.run / FILE

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Forget examples of later steps than the run begins at, and write the settings."""
        if not is_main_process():
            return
        begun = state.global_step
        lines = read_lines(self._file)
        kept = [line for line in lines if begun and _step_of(line) <= begun]
        with atomic_write(self._file) as file:
            file.writelines(f"{line}\n" for line in kept)
        settings = self.trainer.run / "settings.yaml"
        if settings.is_file():
            text = settings.read_text(encoding="utf-8")
            self._write("settings", text, begun, [])

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write what was just transcribed."""
        if not is_main_process():
            return
        examples = self.trainer.dev_examples
        step = int(state.global_step)
        with naming(self._file), open(self._file, "a", encoding="utf-8") as file:
            for each in examples:
                line = {"step": step, **each._asdict()}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._write("dev_examples", as_text(examples), step, examples)

    def _write(self, name: str, text: str, step: int, examples: Sequence[Example]) -> None:
        for callback in self.trainer.callback_handler.callbacks:
            if isinstance(callback, TensorBoard):
                callback.add_text(name, text, step)
        for sink in self.sinks:
            sink(name, text, step, examples)


def _step_of(line: str) -> float:
    try:
        return float(parse_json(line)["step"])
    except (ValueError, TypeError, LookupError, OverflowError):
        return float("inf")


def _to_wandb(name: str, text: str, step: int, examples: Sequence[Example]) -> None:
    import wandb

    if wandb.run is None:
        return
    if not examples:
        wandb.run.config.update({name: text}, allow_val_change=True)
        return
    rows = [[step, *each] for each in examples]
    table = wandb.Table(columns=["step", "id", "REF", "HYP"], data=rows)
    wandb.log({name: table, "train/global_step": step})


def _to_mlflow(name: str, text: str, step: int, examples: Sequence[Example]) -> None:
    import mlflow

    # Without a run that is open this would begin another.
    if mlflow.active_run() is not None:
        mlflow.log_text(text, f"{name}/step-{step}.txt" if examples else f"{name}.yaml")


SINKS: dict[str, Callable[[str, str, int, Sequence[Example]], None]] = {
    "wandb": _to_wandb,
    "mlflow": _to_mlflow,
}
"""Name in `--report_to` -> what writes a text there."""
