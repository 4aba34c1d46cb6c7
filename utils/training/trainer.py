"""The Hugging Face Trainer, with steps, losses, checkpoints and dev scores that are exact."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from torch.utils.data import DataLoader

from utils.audio.features import WINDOW_SECONDS
from utils.cli.console import is_main_process
from utils.cli.errors import Failure
from utils.data.batching import BatchPlan, Collator, StepSampler
from utils.data.labels import IGNORED
from utils.model.adapters.attach import orthogonality_penalty
from utils.model.checksums import write_checksums
from utils.model.distributed import write_together
from utils.model.folders import BEST, save_model, write_folder
from utils.model.loaded import LoadedModel
from utils.training.audio_context.plan import make_sampler
from utils.training.callbacks import RunCounters
from utils.training.dev_set import DevSet
from utils.training.distillation import SelfDistillation, Teacher, replay_loss, taught_loss
from utils.training.loader_wait import LoaderWatch
from utils.training.loss import StepLoss
from utils.training.parameter_groups import RateFactors, group_parameters
from utils.training.requests import expect_optimizer, expect_precision
from utils.training.resume.best import facts_for_card, write_best_file
from utils.training.resume.resumable_trainer import GO_ON, ResumableTrainer
from utils.training.resume.state import same_randomness
from utils.training.sharding.fsdp import prepare_fsdp
from utils.training.sharding.launch import sharing_asked_for
from utils.training.sharding.verification import expect_sharing
from utils.training.sharding.whole_model import WholeModel
from utils.training.tracking.transcripts import Example, fixed_examples


class WhisperTrainer(ResumableTrainer):
    """Trains a Whisper or its adapter.

    Args:
        loaded: the model with its processor; `loaded.model` is what is trained.
        plan: how steps are cut.
        dev: the dev set.
        audio_context: how the windows of the training are cut; kept in what is saved.
        collator: makes batches of the training and dev examples.
        step_loss: what is minimised.
        rate_factors: learning rates that differ between weights.
        identity: what the run is; kept with its best weights.
        distillation: teaches what the base model says, if asked for.
        teacher: of a student.
        **options: as of `ResumableTrainer`.
    """

    # `StepLoss` divides by the tokens of the whole step, so nothing is left to divide by.
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        loaded: LoadedModel,
        plan: BatchPlan,
        dev: DevSet,
        *,
        audio_context: str,
        collator: Collator,
        step_loss: StepLoss,
        rate_factors: RateFactors,
        identity: dict[str, Any],
        distillation: SelfDistillation | None = None,
        teacher: Teacher | None = None,
        **options: Any,
    ) -> None:
        self.sharing = sharing_asked_for()
        self.whole = WholeModel(loaded.model, self.sharing)
        super().__init__(
            model=loaded.model,
            data_collator=collator,
            compute_loss_func=step_loss,
            plan=plan,
            **options,
        )
        self.loaded = loaded
        self.dev = dev
        self.dev_examples: list[Example] = []
        self.audio_context = audio_context
        self.step_loss = step_loss
        self._share_of_batch = 1.0
        self._backward_began = False
        self._exchanges = True
        self.rate_factors = rate_factors
        self.identity = identity
        self.distillation = distillation
        self.teacher = teacher
        self.loader_watch = LoaderWatch(self.args.dataloader_num_workers)

    @property
    def counters(self) -> RunCounters:
        """What the run has seen; resuming puts another object in the place of the first."""
        return next(c for c in self.callback_handler.callbacks if isinstance(c, RunCounters))

    # -- processes ----------------------------------------------------------------------------

    def create_accelerator_and_postprocess(self, *args: Any, **options: Any) -> None:
        """The library's, with FSDP2 on CPUs too and sums in float32."""
        super().create_accelerator_and_postprocess(*args, **options)
        prepare_fsdp(self.accelerator)
        self.is_fsdp_enabled = self.accelerator.distributed_type == DistributedType.FSDP

    def check_prepared(self, prepared: Any) -> None:
        """Hold what is about to run against what was asked for."""
        expect_sharing(prepared, self.sharing)
        expect_precision(self.accelerator, self.args)
        expect_optimizer(self.optimizer, self.args)

    def create_optimizer(
        self, model: Any = None, *args: Any, **options: Any
    ) -> torch.optim.Optimizer:
        """The optimizer, with the learning rates that differ between weights."""
        if self.optimizer is None and not self.rate_factors.is_trivial:
            trained = self.model if model is None else model
            self.optimizer_cls_and_kwargs = group_parameters(self, trained, self.rate_factors)
        return super().create_optimizer(model, *args, **options)

    # -- data ---------------------------------------------------------------------------------

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Micro-batches of this process; the sampler shares them out, not accelerate."""
        sampler = make_sampler(self.train_dataset.table, self.plan, self.train_dataset.augmenter)
        workers = self.args.dataloader_num_workers
        return _EpochLoader(
            self.train_dataset,
            batch_sampler=sampler,
            collate_fn=self.data_collator,
            num_workers=workers,
            pin_memory=self.args.device.type == "cuda",
            prefetch_factor=4 if workers else None,
        )

    def get_batch_samples(self, *args: Any, **options: Any) -> tuple[list[Any], Any]:
        """The micro-batches of a step, without the lists that the model does not take."""
        self.memory_guard.begin_step()
        self.begin_step()
        with self.loader_watch:
            batches, tokens = super().get_batch_samples(*args, **options)
        for batch in batches:
            failures = batch.pop("failures")
            self.failures.update(failures)
            seconds = batch.pop("audio_seconds")
            learned = batch["labels"].ne(IGNORED).any(dim=1).sum().item()
            self.counters.add(int(learned), seconds if learned else 0.0)
        return batches, tokens

    def training_step(
        self, model: Any, inputs: dict[str, Any], *args: Any, **options: Any
    ) -> torch.Tensor:
        """Add a micro-batch's gradient to the step's, in pieces if it does not fit at once."""

        def run_piece(piece: dict[str, Any], share: float, is_last: bool) -> torch.Tensor:
            self._share_of_batch, self._backward_began = share, False
            self._exchanges = is_last and self.accelerator.sync_gradients
            # Processes may cut differently; each exchanges its gradients once, with the last.
            with nullcontext() if is_last else self.accelerator.no_sync(model):
                return super(WhisperTrainer, self).training_step(model, piece, *args, **options)

        loss = self.memory_guard.run(inputs, run_piece, lambda: self._drop_gradients(model))
        self.skipped_steps.note(loss, inputs["utterances"])
        return loss

    def _drop_gradients(self, model: Any) -> bool:
        """Clear the step's gradients if the piece that did not fit may have changed them."""
        distributed = self.accelerator.distributed_type
        alone = self.accelerator.num_processes == 1
        exchanging = self._backward_began and self._exchanges and not alone
        if exchanging or distributed in (DistributedType.FSDP, DistributedType.DEEPSPEED):
            raise Failure(
                "out of memory while the processes exchange gradients; they cannot be brought "
                "back into step",
                "Go on from the last checkpoint with --resume_from_checkpoint=auto and "
                "--auto_batch=True, a smaller\n--per_device_train_batch_size, or "
                "--gradient_checkpointing=True.",
            )
        if self._backward_began:
            model.zero_grad(set_to_none=True)
        return self._backward_began

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
        **options: Any,
    ) -> Any:
        """The micro-batch's part of the step's loss, with AdaLoRA's regulariser if it is used."""
        bare = self.accelerator.unwrap_model(model)
        inputs = {**inputs, "merge_stride": self.loaded.merge_stride}
        taught, inputs = replay_loss(self.distillation, bare, inputs, num_items_in_batch)
        by_teacher, inputs = taught_loss(self.teacher, bare, inputs, num_items_in_batch)
        inputs |= self.step_loss.model_inputs(inputs["labels"])
        loss, outputs = super().compute_loss(
            model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch, **options
        )
        for part in (taught, by_teacher):
            if part is not None:
                loss = loss + part * self.accelerator.num_processes  # gradients are averaged
        penalty = orthogonality_penalty(bare)
        if penalty is not None:
            # Once a step: every process adds it, and their gradients are averaged.
            loss = loss + penalty * self._share_of_batch / self.plan.accumulation
        self._backward_began = True
        return (loss, outputs) if return_outputs else loss

    # -- dev set ------------------------------------------------------------------------------

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Transcribe and score the dev set; a new best model is written to `checkpoint-best/`.

        Returns:
            `dev_loss` (mean nats a token) and `dev_cer` or `dev_wer` (corpus rate).
        """
        trained = self.accelerator.unwrap_model(self.model)
        was_training = trained.training
        trained.eval()
        # How often the dev set is scored changes nothing else.
        with same_randomness(), self.averaged(), self.whole.of(trained) as model:
            metrics = self.score(model)
            self.last_evaluated_step = self._step
            self._keep_if_best(metrics, model)
        trained.train(was_training)
        self.log(dict(metrics))
        self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def score(self, model: Any) -> dict[str, float]:
        """Loss and error rate of a whole model on the dev set, named as in metrics.jsonl."""
        loaded = replace(self.loaded, model=model, audio_context=self.audio_context)
        desc = f"dev set, step {self._step}"
        window = WINDOW_SECONDS if self.audio_context == "full" else 0.0
        scored = self.dev.score(loaded, desc)
        self.dev_examples = fixed_examples(scored.predictions)
        rates = self.dev.error_rates(scored, desc)
        loss = self.dev.loss(loaded, self.data_collator, window, self.step_loss.chunk)
        return {"dev_loss": loss, **rates}

    def averaged(self) -> AbstractContextManager[None]:
        """While it lasts the model has the weights that are scored and kept."""
        return nullcontext() if self.moving_average is None else self.moving_average.in_place()

    @property
    def _step(self) -> int:
        return int(self.state.global_step)

    def _keep_if_best(self, metrics: dict[str, float], model: Any) -> None:
        error = metrics[f"dev_{self.dev.metric}"]
        if self.state.best_metric is not None and error >= self.state.best_metric:
            return
        self.state.best_metric = error
        self.state.best_global_step = self._step
        self.write_best(model, metrics)

    def write_model_folder(self, name: str) -> None:
        """Write the weights as they are to a folder of the run; all processes call it together.

        Args:
            name: `checkpoint-final`.
        """
        with self.averaged(), self.whole.of(self.accelerator.unwrap_model(self.model)) as model:
            self.write_whole(name, model)

    def write_best(self, model: Any, metrics: dict[str, float], **more: Any) -> None:
        """Write a whole model to `checkpoint-best/`, with what it is the best of.

        Args:
            model: in one piece.
            metrics: of `score`.
            **more: plain values that `best.json` is to hold too.
        """
        seconds = float(self.train_dataset.table.durations.sum())
        more |= facts_for_card(metrics, self.dev, seconds)
        error = metrics[f"dev_{self.dev.metric}"]
        self.write_whole(
            BEST,
            model,
            lambda folder: write_best_file(
                folder, self._step, self.dev.metric, error, self.identity, **more
            ),
        )

    def write_whole(
        self, name: str, model: Any, describe: Callable[[Path], None] = lambda _: None
    ) -> None:
        """Write a model that is in one piece, whole or not at all.

        Args:
            name: of its folder.
            model: in one piece.
            describe: writes what else the folder is to hold.
        """

        def write() -> None:
            if is_main_process():
                write_folder(self.run / name, fill)

        def fill(folder: Path) -> None:
            self._write_model(folder, model)
            describe(folder)
            write_checksums(folder)

        write_together(self.run / name, GO_ON, write)

    # -- logs and files -----------------------------------------------------------------------

    def log(self, logs: dict[str, float], *args: Any, **options: Any) -> None:
        """Add what the run has seen so far to every event."""
        self.counters.synchronise()
        seen = {**self.counters.totals(), "bad_steps": self.skipped_steps.total}
        pace = self.counters.pace()
        if "loss" in logs:
            seen |= pace
        super().log({**logs, **seen}, *args, **options)

    def save_model(self, output_dir: str | None = None, *_: Any, **__: Any) -> None:
        """Write the whole model; all processes must call it together."""
        with self.whole.of(self.accelerator.unwrap_model(self.model)) as model:
            if self.args.should_save:
                self._write_model(Path(output_dir or self.run), model)

    def _write_model(self, folder: Path, model: Any) -> None:
        save_model(model, self.loaded.processor, folder, self.audio_context, self.loaded.digest)


class _EpochLoader(DataLoader[Any]):
    """A loader that tells its sampler which epoch begins."""

    def set_epoch(self, epoch: int) -> None:
        assert isinstance(self.batch_sampler, StepSampler)
        self.batch_sampler.set_epoch(epoch)
