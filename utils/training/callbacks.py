"""What happens beside the steps: counting, logs, the progress bar, moving ranks, an early end."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from utils.cli.console import is_main_process, is_quiet
from utils.cli.data_files import parse_json
from utils.cli.files import atomic_write, naming
from utils.cli.progress import progress
from utils.model.distributed import sum_over_processes

METRIC_FIELDS = ("loss", "learning_rate", "grad_norm", "dev_loss", "dev_cer", "dev_wer")
LOOP_FIELDS = ("dev_loops", "dev_cer_without_loops", "dev_wer_without_loops")
INTERVAL_FIELDS = ("dev_cer_low", "dev_cer_high", "dev_wer_low", "dev_wer_high")
# Only trackers get these: metrics.jsonl holds what they are computed from.
PACE_FIELDS = ("examples_per_second", "audio_seconds_per_second")


class RunCounters(TrainerCallback, ExportableState):
    """What a run has seen, over all processes; saved in its checkpoints.

    Attributes:
        examples: utterances trained on, repeats counted.
        audio_seconds: their sound.
        seconds: wall time of the training, interruptions left out.
    """

    def __init__(self) -> None:
        self.examples = 0
        self.audio_seconds = 0.0
        self.seconds = 0.0
        self._new_examples = 0
        self._new_audio_seconds = 0.0
        self._since = time.monotonic()
        self._paced = (0, 0.0, 0.0)

    def add(self, examples: int, audio_seconds: float) -> None:
        """Count a micro-batch of this process."""
        self._new_examples += examples
        self._new_audio_seconds += audio_seconds

    def synchronise(self) -> None:
        """Add what all processes counted since the last time; all must call it together."""
        examples, audio = sum_over_processes(self._new_examples, self._new_audio_seconds)
        self.examples += int(examples)
        self.audio_seconds += audio
        self._new_examples, self._new_audio_seconds = 0, 0.0
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self._since = time.monotonic()
        self._paced = (self.examples, self.audio_seconds, self.seconds)

    def totals(self) -> dict[str, float]:
        """The fields that metrics.jsonl holds."""
        return {
            "examples": self.examples,
            "audio_seconds": round(self.audio_seconds, 2),
            "seconds": round(self.seconds, 2),
        }

    def pace(self) -> dict[str, float]:
        """Throughput since this was last asked, over all processes; empty if no time has passed.

        Asked after each evaluation too, so that none of its seconds count.
        """
        seen = (self.examples, self.audio_seconds, self.seconds)
        examples, audio, seconds = (now - then for now, then in zip(seen, self._paced, strict=True))
        self._paced = seen
        if seconds <= 0:
            return {}
        return {
            "examples_per_second": round(examples / seconds, 3),
            "audio_seconds_per_second": round(audio / seconds, 3),
        }

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        kept = ("examples", "audio_seconds", "seconds")
        return {"args": {}, "attributes": {name: getattr(self, name) for name in kept}}


class MetricsFile(TrainerCallback):
    """Writes `metrics.jsonl`, a line per log event.

    Args:
        path: the file; lines beyond the checkpoint that a run resumes from are taken out first.

    Attributes:
        lines_kept: how many lines the checkpoint knows of; None: all up to its step.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines_kept: int | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Keep the lines up to the step that the run begins at."""
        if not is_main_process():
            return
        lines = read_lines(self.path)
        begun = state.global_step > 0
        if self.lines_kept is not None:
            kept = lines[: self.lines_kept]
        else:
            kept = [li for li in lines if begun and _step_of(li) <= state.global_step]
        with atomic_write(self.path) as file:
            file.writelines(f"{line}\n" for line in kept)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Append a line, unless the event holds none of the file's fields."""
        if not is_main_process() or not any(name in logs for name in METRIC_FIELDS):
            return
        line = {"step": state.global_step, "epoch": round(logs.get("epoch") or 0.0, 4)}
        counts = ("examples", "audio_seconds", "seconds", "bad_steps")
        for name in (*METRIC_FIELDS, *INTERVAL_FIELDS, *LOOP_FIELDS, *counts):
            value = logs.get(name)
            if isinstance(value, (int, float)) and math.isfinite(value):
                line[name] = value
        with naming(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_lines(path: Path) -> list[str]:
    """The lines of metrics.jsonl, none where there is no such file; what is no UTF-8 is marked."""
    return path.read_text("utf-8", errors="replace").split("\n")[:-1] if path.is_file() else []


def _step_of(line: str) -> float:
    """The step of a line of metrics.jsonl; that of a damaged line is later than any."""
    try:
        return float(parse_json(line)["step"])
    except (ValueError, TypeError, LookupError, OverflowError):
        return math.inf


class TensorBoard(TrainerCallback):
    """Writes the same numbers as TensorBoard events.

    The library's callback would name them `train/dev_cer` and the like, for it knows `eval_` alone,
    and would add the fields that metrics.jsonl leaves out.

    Args:
        folder: where the events go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Add each number as a scalar."""
        if not is_main_process():
            return
        writer = self._opened()
        for name in (*METRIC_FIELDS, *INTERVAL_FIELDS, *PACE_FIELDS):
            if isinstance(logs.get(name), (int, float)):
                writer.add_scalar(name, logs[name], state.global_step)

    def add_text(self, name: str, text: str, step: int) -> None:
        """Add a text, shown letter by letter as it is."""
        shown = "\n".join(f"    {line}" for line in text.split("\n"))  # a block of code in Markdown
        self._opened().add_text(name, shown, step)
        self._opened().flush()

    def _opened(self) -> Any:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # slow, and not every run logs

            self._writer = SummaryWriter(str(self.folder))
        return self._writer

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Write out what is still held back."""
        if self._writer is not None:
            self._writer.flush()


class Bar(TrainerCallback):
    """A progress bar over the steps with the time left, the loss and the dev set's error."""

    def __init__(self) -> None:
        self._bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Draw it."""
        self._bar = progress((), total=state.max_steps, desc="training", unit="step")
        self._bar.update(state.global_step)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Move it."""
        if self._bar is not None:
            self._bar.update(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Say each event on a line of its own, so that it stays to be read."""
        if self._bar is None or is_quiet() or not is_main_process():
            return
        error = next((name for name in ("dev_cer", "dev_wer") if name in logs), None)
        if error is not None:
            name = error.removeprefix("dev_").upper()
            self._bar.write(
                f"step {state.global_step}: dev {name} {logs[error]:.2%}, "
                f"dev loss {logs['dev_loss']:.3f}"
            )
        elif "loss" in logs:
            self._bar.write(
                f"step {state.global_step}: loss {logs['loss']:.3f}, "
                f"learning rate {logs['learning_rate']:.2e}, "
                f"{logs['examples'] / max(logs['seconds'], 1e-9):.1f} examples/s"
            )

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Close it."""
        if self._bar is not None:
            self._bar.close()


class RankAllocation(TrainerCallback):
    """Lets AdaLoRA move its ranks; without this call they never do.

    Args:
        model: the PeftModel.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure importance and mask, while the step's gradients are still there."""
        if all(parameter.grad is None for parameter in self.model.parameters()):
            return  # a skipped step
        self.model.base_model.update_and_allocate(state.global_step)


class EarlyStopping(TrainerCallback):
    """Ends a run whose dev error has not fallen for a number of evaluations.

    It keeps no state of its own: the step of the best error is part of every checkpoint. The
    library's callback counts evaluations that are no better than the best so far, which here is
    up to date when it looks: it would end every run.

    Args:
        patience: evaluations without a new best.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for the end once the best is too long ago."""
        waited = state.global_step - (state.best_global_step or 0)
        if state.global_step and waited >= self.patience * args.eval_steps:
            control.should_training_stop = True
