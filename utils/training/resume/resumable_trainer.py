"""A Trainer that can be killed at any moment and goes on as if nothing had happened.

Compared with the library's: checkpoints are written beside, sealed and verified; they hold all that
the next step depends on; a full disk ends all processes with one sentence; a checkpoint of the last
step is not trained on any further; and a step without a usable gradient is skipped.

All private members of the library's Trainer that this project overrides or touches stand in this
file, each with its reason; tests/training/test_library_hooks.py fails by name where one of them is
missing or takes other arguments. Overrides take what they don't use, and pass it on.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import Trainer
from transformers.trainer_callback import ExportableState

from utils.cli.console import process_count, process_rank
from utils.cli.errors import UserError
from utils.cli.files import sync_path
from utils.data.batching import BatchPlan
from utils.model.adapters.adalora import adaptive_state, is_adaptive, restore_adaptive_state
from utils.model.distributed import gather_all, write_together
from utils.training.callbacks import MetricsFile, read_lines
from utils.training.memory.out_of_memory import MemoryGuard
from utils.training.moving_average import MovingAverage
from utils.training.resume.checkpoints import STATE, rotate, seal, unfinished_folder
from utils.training.resume.signals import Interruption
from utils.training.resume.state import HINT, ResumeState
from utils.training.skipped_steps import SkippedSteps

METRICS = "metrics.jsonl"
_UNREADABLE = (
    *(RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError, OSError),
    pickle.UnpicklingError,
)
ADAPTIVE_FILE = "adalora.safetensors"
GO_ON = "Free some space; the same command then goes on from the last finished checkpoint."


class ResumableTrainer(Trainer):
    """See the module's description.

    Args:
        plan: how steps are cut.
        skipped_steps: judges the steps.
        memory_guard: computes what does not fit into memory in pieces.
        interruption: ends the training when a signal asks for it; None: signals end it at once.
        moving_average: of the weights, if that is what is scored and kept.
        settings_changed: whether the run goes on with other settings than its checkpoint has.
        **options: as of `transformers.Trainer`.
    """

    def __init__(
        self,
        *,
        plan: BatchPlan,
        skipped_steps: SkippedSteps,
        memory_guard: MemoryGuard,
        interruption: Interruption | None,
        moving_average: MovingAverage | None = None,
        settings_changed: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        # The library's own rotation counts checkpoint-best as the oldest of all.
        self.checkpoints_kept, self.args.save_total_limit = self.args.save_total_limit, None
        self.plan = plan
        self.skipped_steps = skipped_steps
        self.memory_guard = memory_guard
        self.interruption = interruption
        self.moving_average = moving_average
        self.settings_changed = settings_changed
        for callback in (interruption, moving_average):
            if callback is not None:
                self.add_callback(callback)
        self.failures: dict[str, str] = {}
        self.last_evaluated_step = -1
        self._resumed: ResumeState | None = None
        self._losses_before_step: Any = None

    @property
    def run(self) -> Path:
        """The run's folder."""
        return Path(str(self.args.output_dir))

    # -- before the first step ----------------------------------------------------------------

    def _prepare_for_training(self, *args: Any, **options: Any) -> Any:
        # The only place between wrapping the model and its first step.
        prepared = super()._prepare_for_training(*args, **options)
        self.check_prepared(self.model_wrapped)
        return prepared

    def check_prepared(self, prepared: Any) -> None:
        """Called with the model as it is wrapped for training; raises if it must not begin."""

    def _prepare_input(self, data: Any, *args: Any, **options: Any) -> Any:
        # From pinned memory a copy need not be waited for: the GPU goes on computing meanwhile.
        if isinstance(data, torch.Tensor) and data.is_pinned() and not self.is_deepspeed_enabled:
            return data.to(self.args.device, non_blocking=True)
        return super()._prepare_input(data, *args, **options)

    # -- going on -----------------------------------------------------------------------------

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **options: Any) -> Any:
        """Train, from a checkpoint's exact state if one is given."""
        if resume_from_checkpoint is not None:
            self._resumed = ResumeState.read(Path(resume_from_checkpoint))
        if self._resumed is not None:
            self._restore(self._resumed)
        with self.interruption or nullcontext():
            return super().train(resume_from_checkpoint, *args, **options)

    def _restore(self, kept: ResumeState) -> None:
        self.skipped_steps.restore(kept.skipped_steps)
        self.last_evaluated_step = kept.last_evaluated_step
        self.args.eval_on_start = kept.evaluation_due
        if process_rank() == 0:
            self.failures = dict(kept.failures)
        limits = kept.memory_limits
        if len(limits) == process_count():
            self.memory_guard.limit = limits[process_rank()]
        elif any(limit is not None for limit in limits):
            self.memory_guard.limit = min(limit for limit in limits if limit is not None)
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, MetricsFile):
                callback.lines_kept = kept.metrics_lines

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, *args: Any, **options: Any
    ) -> None:
        # AdaLoRA's ranks have moved, so that its tensors fit no newly attached adapter; and a
        # checkpoint of other parts must end in a sentence that names it.
        try:
            if (Path(resume_from_checkpoint) / ADAPTIVE_FILE).is_file() and is_adaptive(self.model):
                tensors = load_file(Path(resume_from_checkpoint) / ADAPTIVE_FILE)
                pattern = self._resumed.rank_pattern if self._resumed is not None else None
                restore_adaptive_state(self.model, tensors, pattern)
            else:
                super()._load_from_checkpoint(resume_from_checkpoint, *args, **options)
            if self.moving_average is not None:
                self.moving_average.load(Path(resume_from_checkpoint))
        except (*_UNREADABLE, SafetensorError) as error:
            reason = (str(error).strip().splitlines() or ["it has other parts"])[-1].strip()
            raise UserError(
                f"{resume_from_checkpoint} does not fit the model of these settings: {reason}",
                "Take back the setting that changes the model's parts (--lora_rank, the base "
                "model, the script),\nor begin anew with --overwrite_output_dir=True.",
            ) from error

    def _load_optimizer_and_scheduler(
        self, checkpoint: str | None, *args: Any, **options: Any
    ) -> None:
        # It takes rates and weight decay from the checkpoint, also where they were changed since.
        wanted = [
            (group.get("initial_lr", group["lr"]), group["weight_decay"])
            for group in (self.optimizer.param_groups if self.optimizer is not None else ())
        ]
        with _readable(checkpoint, "the optimizer's or the schedule's state"):
            super()._load_optimizer_and_scheduler(checkpoint, *args, **options)
        if checkpoint is None or not self.settings_changed or self.is_deepspeed_enabled:
            return
        # What was loaded holds the earlier settings; the changed ones are wanted.
        groups = self.optimizer.param_groups
        self.lr_scheduler.base_lrs = [rate for rate, _ in wanted]
        shares = [factor(self.lr_scheduler.last_epoch) for factor in self.lr_scheduler.lr_lambdas]
        for group, (rate, decay), share in zip(groups, wanted, shares, strict=True):
            group["initial_lr"], group["lr"] = rate, rate * share
            group["weight_decay"] = decay
        self.lr_scheduler._last_lr = [group["lr"] for group in groups]  # what the log shows

    def _load_rng_state(self, checkpoint: str | None, *args: Any, **options: Any) -> None:
        # A file that was damaged must end in a sentence that names the checkpoint.
        with _readable(checkpoint, "the random state"):
            super()._load_rng_state(checkpoint, *args, **options)

    def _run_epoch(self, *args: Any, **options: Any) -> Any:
        # `_tr_loss` and `_globalstep_last_logged` are set to zero just before the first epoch, so
        # only here can the losses since the last log line come back.
        if self._resumed is not None:
            self._restore_losses(self._resumed)
            self._resumed = None
        if self.state.global_step >= self.state.max_steps:
            # The library would train a step more than was asked for.
            self.control.should_training_stop = True
            return None
        return super()._run_epoch(*args, **options)

    def _restore_losses(self, kept: ResumeState) -> None:
        losses = kept.losses_since_log
        same = len(losses) == process_count()
        loss = losses[process_rank()] if same else sum(losses) / max(1, len(losses))
        self._tr_loss.fill_(loss)
        self._globalstep_last_logged = kept.last_logged_step

    # -- saving -------------------------------------------------------------------------------

    def _get_output_dir(self, *_: Any, **__: Any) -> str:
        # A checkpoint gets its name only when all of it is on the disk.
        return str(unfinished_folder(self.run))

    def _save_checkpoint(self, *_: Any, **__: Any) -> None:
        # The library's writes under the final name, and removes old ones before the new one counts.
        step = int(self.state.global_step)
        what = self.run / f"checkpoint-{step}"
        folder = unfinished_folder(self.run) / what.name
        self.counters.synchronise()
        kept = self._exact_state()
        write_together(what, GO_ON, lambda: self._write_checkpoint(folder, kept))
        write_together(what, GO_ON, lambda: self._seal(step))

    def _write_checkpoint(self, folder: Path, kept: ResumeState) -> None:
        self.store_flos()  # into the state that is written below
        folder.mkdir(parents=True, exist_ok=True)
        self.save_model(str(folder), _internal_call=True)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        if not self.args.should_save:
            return
        if is_adaptive(self.model):
            tensors, kept.rank_pattern = adaptive_state(self.model)
            save_file(tensors, folder / ADAPTIVE_FILE)
        if self.moving_average is not None:
            self.moving_average.save(folder)
        kept.write(folder)
        exported = [*self.callback_handler.callbacks, self.control]
        for each in exported:
            if isinstance(each, ExportableState):
                self.state.stateful_callbacks[type(each).__name__] = each.state()
        self.state.save_to_json(str(folder / STATE))
        if kept.metrics_lines:  # on the disk before the checkpoint that counts them
            sync_path(self.run / METRICS)

    def _seal(self, step: int) -> None:
        if self.args.should_save:
            seal(self.run, step)
            rotate(self.run, step, self.checkpoints_kept)

    def _exact_state(self) -> ResumeState:
        metrics = self.run / METRICS
        return ResumeState(
            metrics_lines=len(read_lines(metrics)),
            last_evaluated_step=self.last_evaluated_step,
            evaluation_due=self.interruption is not None and self.interruption.evaluation_due,
            last_logged_step=self._globalstep_last_logged,
            losses_since_log=gather_all([self._tr_loss.item()]),
            memory_limits=gather_all([self.memory_guard.limit]),
            micro_batch=self.plan.micro_batch,
            accumulation=self.plan.accumulation,
            skipped_steps=self.skipped_steps.state(),
            failures=self.all_failures(),
        )

    def all_failures(self) -> dict[str, str]:
        """Files that could not be read while training, over all processes: id -> reason."""
        return dict(gather_all(list(self.failures.items())))

    # -- skipped steps ------------------------------------------------------------------------

    def begin_step(self) -> None:
        """Remember what a skipped step must leave as it was."""
        self.skipped_steps.begin_step()
        self._losses_before_step = self._tr_loss.clone()

    def _get_grad_norm(self, model: Any, *args: Any, **options: Any) -> Any:
        # The only place between the gradient's length and the optimizer's step.
        found = super()._get_grad_norm(model, *args, **options)
        norm = float(found)
        scaler = getattr(self.accelerator, "scaler", None)
        finding_scale = scaler is not None and scaler.get_scale() > 1
        reason = self.skipped_steps.why_unusable(norm, may_overflow=finding_scale)
        if reason is None and math.isfinite(norm):
            self.skipped_steps.accept(norm)
            return found
        # Without gradients the optimizer does nothing, and AdaLoRA measures nothing. DeepSpeed has
        # taken the step already, inside of its backward pass.
        if self.accelerator.distributed_type != DistributedType.DEEPSPEED:
            model.zero_grad(set_to_none=True)
        if reason is not None:
            self._tr_loss.copy_(self._losses_before_step)
            self._globalstep_last_logged += 1  # a mean is over the good steps
            self.skipped_steps.reject(int(self.state.global_step) + 1, reason)
        return found


@contextmanager
def _readable(checkpoint: str | None, part: str) -> Iterator[None]:
    """Name the checkpoint of which a part cannot be read."""
    try:
        yield
    except _UNREADABLE as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{checkpoint}: {part} cannot be read: {reason}", HINT) from error
