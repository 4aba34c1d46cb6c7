"""A learning rate by trial: a short training whose rate rises at each step until the loss diverges.

As in Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186), section 3.3,
with a rate that rises by the same factor at each step. Nothing of the training is kept.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from transformers import TrainerCallback

from utils.cli.console import is_main_process, say_result, warn
from utils.cli.files import atomic_write
from utils.cli.progress import progress
from utils.training.resume.state import same_randomness
from utils.training.settings.common import TrainSettings

if TYPE_CHECKING:
    from tqdm import tqdm
    from transformers import TrainingArguments

    from utils.training.trainer import WhisperTrainer

RATE_FILE = "learning_rate.json"
LOWEST_RATE, HIGHEST_RATE, STEPS = 1e-7, 1.0, 100
_WIDTH = 0.25  # decades over which losses are averaged, as a standard deviation
_BURST = 3.0  # a loss so many times the lowest ends the search
_PATIENCE = 5  # steps before that can happen

Settings = TypeVar("Settings", bound=TrainSettings)


@dataclass(frozen=True)
class Point:
    """What one rate did.

    Attributes:
        learning_rate: of the step.
        loss: after it, mean nats a token of the next step's examples.
        smoothed: the mean loss at rates around it.
    """

    learning_rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class RateSearch:
    """What a search found.

    Attributes:
        suggestion: the rate to train with; None if no rate made the loss fall.
        steepest: where the loss fell fastest.
        lowest: after which it was lowest.
        burst: from which on it was above where it began; None if it never was.
        points: in rising order of the rate.
    """

    suggestion: float | None
    steepest: float | None
    lowest: float | None
    burst: float | None
    points: tuple[Point, ...]


def settings_of_search(settings: Settings) -> Settings:
    """A run's settings without all that happens beside its steps."""
    steps = settings.max_steps if settings.max_steps > 0 else STEPS
    off: dict[str, Any] = {
        "max_steps": steps,
        "warmup_steps": 0,
        "context_warmup_steps": 0,
        "logging_steps": 1,
        "eval_on_start": False,
        "early_stopping_patience": None,
        "average_best": None,
        "ema_decay": None,
        "report_to": None,
        "profile": False,
        "audio_cache": 0.0,
        "push_to_hub": False,
    }
    known = {field.name for field in dataclasses.fields(settings)}
    return replace(settings, **{name: value for name, value in off.items() if name in known})


def without_saving(arguments: TrainingArguments) -> TrainingArguments:
    """The Trainer's settings for a training that scores and saves nothing; changed in place."""
    arguments.save_strategy = arguments.eval_strategy = "no"
    return arguments


class _Rise(TrainerCallback):
    """Lets the rate rise, and notes what the loss does."""

    def __init__(self, trainer: WhisperTrainer) -> None:
        self.trainer = trainer
        steps = max(2, trainer.args.max_steps)
        self.rates = np.geomspace(LOWEST_RATE, HIGHEST_RATE, steps).tolist()
        self.losses: list[float] = []
        self._bar: tqdm[None] = progress(total=steps, desc="learning rate rises", unit="step")

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        rate = self.rates[min(state.global_step, len(self.rates) - 1)]
        for group in more["optimizer"].param_groups:
            group["lr"] = rate * group["initial_lr"] / args.learning_rate

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._bar.update(1)
        if self.trainer.skipped_steps.total:  # its gradient was no number
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if self.trainer.skipped_steps.total or "loss" not in logs:
            return
        self.losses.append(float(logs["loss"]))
        recent = float(np.mean(self.losses[-3:]))
        if not math.isfinite(recent):
            self.losses.pop()
            control.should_training_stop = True
        elif len(self.losses) > _PATIENCE and recent > _BURST * min(self.losses):
            control.should_training_stop = True

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._bar.close()

    def pairs(self) -> list[tuple[float, float]]:
        """Each rate with the loss after its step."""
        return list(zip(self.rates, self.losses[1:], strict=False))


def find_learning_rate(trainer: WhisperTrainer) -> RateSearch:
    """Train with a rising rate, then put everything back.

    Args:
        trainer: of settings as of `settings_of_search`; its weights and all random generators are
            afterwards as before.
    """
    rise = _Rise(trainer)
    trainer.add_callback(rise)
    trained = [p for p in trainer.model.parameters() if p.requires_grad]
    before = [parameter.detach().clone() for parameter in trained]
    try:
        with same_randomness():
            trainer.train()
    finally:
        with torch.no_grad():
            for parameter, weights in zip(trained, before, strict=True):
                parameter.copy_(weights)
    return suggest(rise.pairs())


def suggest(pairs: Sequence[tuple[float, float]]) -> RateSearch:
    """Choose a rate: where the loss falls fastest, at most a tenth of where it diverges.

    Args:
        pairs: rate, in rising order, and the loss after its step.
    """
    if len(pairs) < 2:
        return RateSearch(None, None, None, None, tuple(Point(r, x, x) for r, x in pairs))
    rates, losses = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    decades = np.log10(rates)
    weights = np.exp(-0.5 * ((decades[:, None] - decades[None]) / _WIDTH) ** 2)
    smoothed = weights @ losses / weights.sum(axis=1)
    points = tuple(Point(*map(float, row)) for row in zip(rates, losses, smoothed, strict=True))
    lowest = int(smoothed.argmin())
    above = np.flatnonzero(smoothed[lowest:] > smoothed[0])
    burst = float(rates[lowest + above[0]]) if len(above) else None
    varies = 1.4826 * float(np.median(np.abs(losses - smoothed)[: lowest + 1]))  # as a deviation
    if smoothed[0] - smoothed[lowest] <= 2 * varies:
        return RateSearch(None, None, None, burst, points)
    slopes = np.gradient(smoothed, decades)[: lowest + 1]
    steepest = float(rates[int(slopes.argmin())])
    suggestion = steepest if burst is None else min(steepest, burst / 10)
    return RateSearch(suggestion, steepest, float(rates[lowest]), burst, points)


def tell(found: RateSearch, run: Path) -> None:
    """Say what was found, and write it to `learning_rate.json` in the run's folder."""
    if not is_main_process():
        return
    run.mkdir(parents=True, exist_ok=True)
    with atomic_write(run / RATE_FILE) as file:
        json.dump({"schema": 1, **asdict(found)}, file, indent=1)
        file.write("\n")
    if found.suggestion is None:
        warn(
            "no learning rate made the loss fall by more than it varies from step to step; "
            "give larger batches, or more --max_steps for the search"
        )
        return
    burst = "never diverged" if found.burst is None else f"diverged at {found.burst:.1e}"
    say_result(
        f"suggestion   --learning_rate={found.suggestion:.1e} (the loss fell fastest at "
        f"{found.steepest:.1e}, was lowest at {found.lowest:.1e}, {burst})"
    )
