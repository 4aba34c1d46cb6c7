"""The average of the k best weights of a run, which is often better than each of them.

After each evaluation the trained weights are kept if they are among the k best so far, in
`candidates/step-<n>/`, whatever numbered checkpoints there are. At the end their average is scored
on the dev set like any other model, and takes the place of `checkpoint-best/` if it is not worse.

Of an adapter the factors A and B are averaged, as recipes do, not their products. For two updates
the two differ by (B1 - B2)(A1 - A2) / 4, which is small between checkpoints of one run. What is
scored is what is kept, so the score decides about that too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback

from utils.cli.console import is_main_process, say, warn
from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.leftovers import remove_folder
from utils.model.adapters.interpolation import average
from utils.model.checksums import find_damage, write_checksums
from utils.model.distributed import on_main_process, write_together
from utils.model.folders import CANDIDATES, remove_remains, write_folder
from utils.training.resume.resumable_trainer import GO_ON
from utils.training.resume.state import same_randomness

if TYPE_CHECKING:
    from utils.training.trainer import WhisperTrainer

WEIGHTS, SCORE = "weights.safetensors", "score.json"
AVERAGE_FILE = "average.json"


@dataclass(frozen=True)
class Candidate:
    """Weights that were scored.

    Attributes:
        error: on the dev set, CER or WER.
        step: after which they were scored.
        folder: where they are kept.
    """

    error: float
    step: int
    folder: Path

    @property
    def rank(self) -> tuple[float, int]:
        """Of equals the earlier is better, as for the best checkpoint."""
        return self.error, self.step


class BestAverage(TrainerCallback):
    """Keeps the k best weights of a run and averages them at its end.

    Args:
        trainer: of the run.
        count: how many are averaged.
    """

    def __init__(self, trainer: WhisperTrainer, count: int) -> None:
        self.trainer = trainer
        self.count = count

    @classmethod
    def of(cls, trainer: WhisperTrainer) -> BestAverage | None:
        """The one that a trainer has, if it has one."""
        found = (each for each in trainer.callback_handler.callbacks if isinstance(each, cls))
        return next(found, None)

    @property
    def _folder(self) -> Path:
        return self.trainer.run / CANDIDATES

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Forget what was scored after the step that the run goes on from: it comes again."""
        if not is_main_process():
            return
        remove_remains(self._folder)
        for candidate in candidates(self._folder):
            if candidate.step > state.global_step:
                remove_folder(candidate.folder)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any
    ) -> None:
        """Keep the weights that were just scored, if they are among the best."""
        trainer = self.trainer
        if not state.global_step:
            return  # nothing is learned yet
        name = f"step-{state.global_step}"
        error = float(metrics[f"dev_{trainer.dev.metric}"])
        new = Candidate(error, int(state.global_step), self._folder / name)
        with trainer.averaged(), trainer.whole.of(_bare(trainer)) as model:
            write_together(trainer.run / name, GO_ON, lambda: self._keep(new, model))

    def _keep(self, new: Candidate, model: nn.Module) -> None:
        if not is_main_process():
            return
        others = [other for other in candidates(self._folder) if other.step != new.step]
        ranked = sorted([*others, new], key=lambda each: each.rank)

        def fill(folder: Path) -> None:
            weights = {name: p.detach().cpu().contiguous() for name, p in _trained(model).items()}
            save_file(weights, folder / WEIGHTS)
            score = {"step": new.step, "error": new.error}
            (folder / SCORE).write_text(json.dumps(score), encoding="utf-8")
            write_checksums(folder)

        if new in ranked[: self.count]:
            self._folder.mkdir(exist_ok=True)
            write_folder(new.folder, fill)
        for worse in ranked[self.count :]:
            remove_folder(worse.folder)

    def choose(self) -> bool:
        """Score the average; it becomes the best checkpoint if none is better.

        The trainer's own weights stay as they are.

        Returns:
            Whether it became the best.
        """
        chosen = on_main_process(lambda: _whole_ones(self._folder))
        if len(chosen) < 2:
            say(f"average      nothing to average: {len(chosen)} evaluation after a step is kept")
            return False
        trainer, state = self.trainer, self.trainer.state
        with same_randomness(), trainer.whole.of(_bare(trainer)) as model:
            was_training = model.training
            model.eval()
            with _in_place(model, chosen):
                metrics = trainer.score(model)
                error = metrics[f"dev_{trainer.dev.metric}"]
                kept = error <= state.best_metric
                if kept:
                    averaged = sorted(each.step for each in chosen)
                    trainer.write_best(model, metrics, averaged_steps=averaged)
            model.train(was_training)
        steps = ", ".join(str(step) for step in sorted(each.step for each in chosen))
        verdict = "kept" if kept else f"not kept, {state.best_metric:.2%} is better"
        metric = trainer.dev.metric.upper()
        say(f"average      of steps {steps}: dev {metric} {error:.2%}, {verdict}")
        if is_main_process():
            _write_verdict(trainer.run / AVERAGE_FILE, chosen, error, kept)
        if kept:
            state.best_metric = error
        return kept


def candidates(folder: Path) -> list[Candidate]:
    """What is kept in a run's folder of candidates, best first."""
    found = []
    for place in folder.glob("step-*"):
        try:
            score = read_json_object(place / SCORE)
            found.append(Candidate(float(score["error"]), int(score["step"]), place))
        except (OSError, UserError, ValueError, KeyError, TypeError, OverflowError):
            continue  # found damaged when it is to be used
    return sorted(found, key=lambda candidate: candidate.rank)


def _whole_ones(folder: Path) -> list[Candidate]:
    """The candidates that are as they were written; damaged ones are named."""
    found = []
    for candidate in candidates(folder):
        damage = find_damage(candidate.folder)
        if damage is None:
            found.append(candidate)
        else:
            warn(f"{candidate.folder} is damaged and left out of the average: {damage}")
    return found


def _bare(trainer: WhisperTrainer) -> Any:
    """What is trained, without what the launcher wrapped around it."""
    return trainer.accelerator.unwrap_model(trainer.model)


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


@contextmanager
def _in_place(model: nn.Module, chosen: list[Candidate]) -> Iterator[None]:
    """Let a model have the average of candidates for a while."""
    trained = _trained(model)
    mean = average(load_file(each.folder / WEIGHTS) for each in chosen)
    before = {name: parameter.detach().clone() for name, parameter in trained.items()}
    _copy_into(trained, mean)
    try:
        yield
    finally:
        _copy_into(trained, before)


@torch.no_grad()
def _copy_into(trained: dict[str, nn.Parameter], weights: dict[str, torch.Tensor]) -> None:
    for name, parameter in trained.items():
        parameter.copy_(weights[name])


def _write_verdict(path: Path, chosen: list[Candidate], error: float, kept: bool) -> None:
    averaged = [
        {name: value for name, value in asdict(each).items() if name != "folder"} for each in chosen
    ]
    with atomic_write(path) as file:
        json.dump({"schema": 1, "error": error, "kept": kept, "averaged": averaged}, file, indent=1)
        file.write("\n")
