"""Where a training step's time goes, and how much of the device it uses.

Everything hangs on the trainer from outside: a run without `--profile` pays nothing. On a GPU the
parts are told apart by waiting for it at their borders, which itself makes the measured steps a
little slower. torch's profiler names operators, of which a step has thousands, not
these parts; they are counted by formula, which `FlopCounterMode` confirms in a test: it would have
to stand in every step's way.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from utils.cli.console import is_main_process, say
from utils.cli.files import atomic_write
from utils.data.labels import IGNORED
from utils.model.flops import BatchShape, peak_flops, training_flops
from utils.model.precision import Precision

WARM_UP_STEPS = 3
MEASURED_STEPS = 20
PARTS = {
    "data": "waiting for sound (decoding, augmentation, workers)",
    "features": "log-mel features",
    "encoder": "encoder, forward",
    "decoder": "decoder, forward",
    "loss": "loss and its gradient",
    "backward": "backward, exchange of gradients",
    "optimizer": "clipping, optimizer",
    "other": "copies, bookkeeping, idle",
}
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "float32": torch.float32}


class TimedCollator:
    """A collator that also says how long it took; in worker processes too."""

    def __init__(self, collate: Callable[[Sequence[Any]], dict[str, Any]]) -> None:
        self.collate = collate

    def __call__(self, examples: Sequence[Any]) -> dict[str, Any]:
        """The batch, with `feature_seconds`."""
        began = time.perf_counter()
        batch = self.collate(examples)
        batch["feature_seconds"] = time.perf_counter() - began
        return batch


class StepProfile(TrainerCallback):
    """Times the parts of some steps, then says so and writes `profile.json`.

    Args:
        path: the file.
        precision: that the run computes in.
    """

    def __init__(self, path: Path, precision: Precision) -> None:
        self.path = path
        self.precision = precision
        self._steps: list[dict[str, float]] = []
        self._now: dict[str, float] | None = None
        self._detach: list[Callable[[], None]] = []

    def attach(self, trainer: Any) -> None:
        """Hang the clocks on a trainer, before it makes its loader.

        Args:
            trainer: a WhisperTrainer.
        """
        self._device = trainer.args.device
        self._has_workers = trainer.args.dataloader_num_workers > 0
        self._whisper = whisper = trainer.loaded.whisper
        self._merge_stride = trainer.loaded.merge_stride
        modules = {
            "encoder": whisper.model.encoder,
            "decoder": whisper.model.decoder,
            "loss": whisper.proj_out,
        }
        for name, module in modules.items():
            self._time_module(name, module)
        # These two stay to the end: batches made ahead still carry their seconds.
        trainer.data_collator = TimedCollator(trainer.data_collator)
        trainer.get_batch_samples = partial(self._timed_batches, trainer.get_batch_samples)
        self._replace(trainer.accelerator, "backward", self._timed_backward)
        trainer.add_callback(self)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the step; after enough of them report and take the clocks off."""
        if self._now is None:
            return
        end, step = self._clock(), self._now
        self._now = None
        step["optimizer"] = end - step.pop("backward_end")
        step["step"] = end - step.pop("begin")
        step["other"] = step["step"] - sum(step.get(part, 0.0) for part in PARTS)
        self._steps.append(step)
        if len(self._steps) == WARM_UP_STEPS + MEASURED_STEPS:
            self._finish()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Report on what a short run had."""
        if self._detach:
            self._finish()

    def _finish(self) -> None:
        for detach in self._detach:
            detach()
        self._detach.clear()
        # A run of a few steps has no warm ones; better theirs than none.
        measured = self._steps[WARM_UP_STEPS:] or self._steps
        if measured and is_main_process():
            found = summary(measured, self._device, self.precision)
            with atomic_write(self.path) as file:
                json.dump(found, file, indent=2)
                file.write("\n")
            for line in table(found):
                say(line)

    # -- clocks -------------------------------------------------------------------------------

    def _clock(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _time_module(self, name: str, module: Any) -> None:
        began: list[float] = []

        def begin(*_: Any) -> None:
            if self._now is not None:
                began.append(self._clock())

        def end(*_: Any) -> None:
            if self._now is not None and began:
                self._now[name] += self._clock() - began.pop()

        hooks = (module.register_forward_pre_hook(begin), module.register_forward_hook(end))
        self._detach += [hook.remove for hook in hooks]

    def _replace(self, owner: Any, name: str, timed: Callable[..., Any]) -> None:
        original = getattr(owner, name)
        setattr(owner, name, lambda *args, **kwargs: timed(original, *args, **kwargs))
        self._detach.append(lambda: delattr(owner, name))

    def _timed_batches(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        step: dict[str, float] = defaultdict(float)
        step["begin"] = self._clock()
        batches, tokens = original(*args, **kwargs)
        waited = self._clock() - step["begin"]
        features = sum(batch.pop("feature_seconds") for batch in batches)
        if not self._detach:
            return batches, tokens
        # Workers make features beside the training: they only cost what is waited for.
        step["worker_features" if self._has_workers else "features"] = features
        step["data"] = waited if self._has_workers else waited - features
        for batch in batches:
            shape = batch_shape(self._whisper, batch, self._merge_stride)
            step["flops"] += training_flops(self._whisper, shape)
            step["examples"] += len(batch["labels"])
        self._now = step
        return batches, tokens

    def _timed_backward(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        began = self._clock()
        original(*args, **kwargs)
        if self._now is not None:
            self._now["backward_end"] = self._clock()
            self._now["backward"] += self._now["backward_end"] - began


def batch_shape(whisper: Any, batch: dict[str, Any], merge_stride: int = 0) -> BatchShape:
    """Sizes of a micro-batch.

    Args:
        whisper: FlexibleWhisper.
        batch: `input_features (B, M, F)` and `labels (B, T)`.
        merge_stride: of thinned windows.
    """
    labels = batch["labels"]
    counted = int(labels.ne(IGNORED).sum())
    frames = batch["input_features"].shape[-1]
    positions = whisper.positions(frames, merge_stride)
    return BatchShape(len(labels), frames, positions, labels.shape[1], counted)


def summary(
    steps: Sequence[dict[str, float]], device: torch.device, precision: Precision
) -> dict[str, Any]:
    """What profile.json holds.

    Args:
        steps: seconds of each part, of the whole `step`, and its `flops` and `examples`.
        device: that computed them.
        precision: format of the products.

    Returns:
        Medians in seconds, shares of the time of all steps, speeds, and the utilisation: model
        FLOPs a second over the device's peak.
    """
    seconds = sum(step["step"] for step in steps)
    flops = sum(step["flops"] for step in steps)
    peak, source = peak_flops(device, DTYPES[precision.name])
    totals = {part: sum(step.get(part, 0.0) for step in steps) for part in PARTS}
    worker = statistics.median(step.get("worker_features", 0.0) for step in steps)
    return {
        "steps": len(steps),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "precision": precision.name,
        "step_seconds": statistics.median(step["step"] for step in steps),
        "seconds": {
            part: statistics.median(step.get(part, 0.0) for step in steps) for part in PARTS
        },
        "shares": {part: total / seconds for part, total in totals.items()},
        "worker_feature_seconds": worker,
        "examples_per_second": sum(step["examples"] for step in steps) / seconds,
        "model_flops_per_second": flops / seconds,
        "peak_flops_per_second": peak,
        "peak_from": source,
        "utilisation": flops / seconds / peak,
    }


def table(found: dict[str, Any]) -> list[str]:
    """Lines for the terminal from a summary."""
    lines = [f"profile      {found['steps']} steps, median {1000 * found['step_seconds']:.1f} ms"]
    for part, meaning in PARTS.items():
        milliseconds = 1000 * found["seconds"][part]
        lines.append(f"  {part:10}{milliseconds:10.1f} ms {found['shares'][part]:7.1%}   {meaning}")
    if found["worker_feature_seconds"]:
        made = 1000 * found["worker_feature_seconds"]
        lines.append(f"  features were made in workers, {made:.1f} ms a step beside the training")
    lines.append(
        f"  {found['examples_per_second']:.1f} examples/s; "
        f"{found['model_flops_per_second'] / 1e12:.3g} of "
        f"{found['peak_flops_per_second'] / 1e12:.3g} TFLOP/s ({found['peak_from']}): "
        f"utilisation {found['utilisation']:.1%}"
    )
    return lines
