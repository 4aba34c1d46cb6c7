"""How the time before the first step, and that of a step, grow with the training data."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from utils.training.settings.runs import FullSettings


class StepClock(TrainerCallback):
    """Seconds of every step, its data included."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self._last = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """A step is done."""
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


def grow(
    model: str, data: Path, dev_data: Path, steps: int, output_dir: Path, seed: int
) -> dict[str, Any]:
    """Set a run up on a manifest and train a few of its steps.

    Args:
        model: folder of a Whisper.
        data: manifest to train on.
        dev_data: a small manifest; it is read and not scored.
        steps: to train; their data is read in the training process.
        output_dir: for what a run writes.
        seed: of the order.

    Returns:
        Seconds: `read` of the manifest, `table` (labels and lengths), `layout` (lengths to the
        steps of a pass), and `steps`, a list.
    """
    from utils.model.load import load_model
    from utils.training.arguments import training_arguments
    from utils.training.audio_context.plan import batch_plan, make_sampler, with_context
    from utils.training.build import make_trainer
    from utils.training.data import read_data, read_manifests
    from utils.training.memory.plan import MemoryPlan
    from utils.training.resume.start import Start

    settings = FullSettings(
        train_data=str(data),
        dev_data=str(dev_data),
        base_model=model,
        output_dir=str(output_dir),
        learning_rate=1e-5,
        max_steps=steps,
        num_workers=0,
        audio_context="dynamic",
        language="zh",
        seed=seed,
    )
    arguments = training_arguments(settings, output_dir)
    arguments.save_strategy, arguments.eval_strategy = "no", "no"
    loaded = with_context(settings, load_model(model))
    laps = [time.perf_counter()]
    manifests = read_manifests(settings)
    laps.append(time.perf_counter())
    read = read_data(settings, loaded, manifests)
    laps.append(time.perf_counter())
    plan = batch_plan(settings, loaded)
    list(make_sampler(read.train, plan).steps())
    laps.append(time.perf_counter())
    clock = StepClock()
    trainer = make_trainer(settings, arguments, loaded, MemoryPlan(plan), read, Start())
    trainer.add_callback(clock)
    trainer.train()
    names = ("read", "table", "layout")
    seconds = (after - before for before, after in pairwise(laps))
    return {**dict(zip(names, seconds, strict=True)), "steps": clock.seconds}
