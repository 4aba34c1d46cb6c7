"""Every member of a library that training overrides or touches is as it was when that was written.

A failure names the member. Then read what the library does in its place, and move the hook.
"""

from __future__ import annotations

import inspect
import re

import pytest
import torch
from accelerate import Accelerator, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, PartialState
from transformers import Trainer, TrainingArguments
from transformers.integrations import deepspeed as hf_deepspeed

from utils.training.resume import resumable_trainer
from utils.training.resume.resumable_trainer import ResumableTrainer
from utils.training.trainer import WhisperTrainer

OVERRIDDEN = {
    "train": ("self", "resume_from_checkpoint"),
    "create_accelerator_and_postprocess": ("self",),
    "create_optimizer": ("self", "model"),
    "get_train_dataloader": ("self",),
    "get_batch_samples": ("self", "epoch_iterator", "num_batches", "device"),
    "training_step": ("self", "model", "inputs", "num_items_in_batch"),
    "compute_loss": ("self", "model", "inputs", "return_outputs", "num_items_in_batch"),
    "evaluate": ("self", "eval_dataset", "ignore_keys", "metric_key_prefix"),
    "log": ("self", "logs", "start_time"),
    "save_model": ("self", "output_dir", "_internal_call"),
    "_prepare_for_training": (
        *("self", "max_steps", "train_dataloader"),
        "resume_from_checkpoint",
    ),
    "_prepare_input": ("self", "data"),
    "_load_from_checkpoint": ("self", "resume_from_checkpoint", "model"),
    "_load_optimizer_and_scheduler": ("self", "checkpoint"),
    "_load_rng_state": ("self", "checkpoint"),
    "_run_epoch": None,  # all is passed on
    "_get_output_dir": ("self", "trial"),
    "_save_checkpoint": ("self", "model", "trial"),
    "_get_grad_norm": ("self", "model", "grad_norm"),
}
"""Methods of the Trainer in whose place ours stand, and the parameters that they had then."""
CALLED = {
    "_save_optimizer_and_scheduler": ("self", "output_dir"),
    "_save_scaler": ("self", "output_dir"),
    "_save_rng_state": ("self", "output_dir"),
    "store_flos": ("self",),
    "get_decay_parameter_names": None,
    "get_optimizer_cls_and_kwargs": ("args", "model"),
}
"""Methods of the Trainer that ours call where the library's own order is replaced."""
ATTRIBUTES = (
    *("_tr_loss", "_globalstep_last_logged", "control", "state", "lr_scheduler", "model_wrapped"),
    *("is_fsdp_enabled", "is_deepspeed_enabled", "optimizer_cls_and_kwargs", "callback_handler"),
)
"""Attributes of the Trainer's objects that ours read or set."""


def own_members(*classes: type) -> set[str]:
    return {name for each in classes for name in vars(each) if not name.startswith("__")}


def parameters(method: object) -> tuple[str, ...]:
    return tuple(inspect.signature(method).parameters)  # type: ignore[arg-type]


def test_every_override_of_the_trainer_is_listed_here() -> None:
    ours = own_members(ResumableTrainer, WhisperTrainer)
    overridden = {name for name in ours if callable(getattr(Trainer, name, None))}
    assert overridden == set(OVERRIDDEN)


@pytest.mark.parametrize("name", [*OVERRIDDEN, *CALLED])
def test_a_method_of_the_trainer_is_there_and_takes_what_it_took(name: str) -> None:
    expected = {**OVERRIDDEN, **CALLED}[name]
    assert callable(getattr(Trainer, name, None)), f"Trainer.{name} is gone"
    if expected is not None:
        found = parameters(getattr(Trainer, name))
        assert found[: len(expected)] == expected, f"Trainer.{name} takes other arguments"


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_an_override_passes_on_what_it_does_not_know(name: str) -> None:
    owner = ResumableTrainer if name in vars(ResumableTrainer) else WhisperTrainer
    kinds = {each.kind for each in inspect.signature(vars(owner)[name]).parameters.values()}
    takes_all = inspect.Parameter.VAR_KEYWORD in kinds
    assert takes_all or parameters(getattr(Trainer, name)) == ("self",)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_of_the_trainer_is_still_set_by_it(name: str) -> None:
    source = inspect.getsource(Trainer)
    assert re.search(rf"self\.{name}\b[^=\n]*=", source), f"Trainer sets no self.{name}"


def test_private_hooks_of_the_trainer_stand_in_one_file() -> None:
    private = {name for name in OVERRIDDEN if name.startswith("_")}
    assert not private & own_members(WhisperTrainer)
    source = inspect.getsource(resumable_trainer)
    for name in private:
        body = source.split(f"def {name}(")[1].split("\n    def ")[0]
        assert "        # " in body, f"{name} overrides the library's without a reason"


def test_losses_since_the_last_log_line_begin_before_the_first_epoch() -> None:
    source = inspect.getsource(Trainer)
    assert source.index("self._tr_loss = ") < source.index("self._run_epoch(")


def test_the_loss_may_say_that_it_is_scaled() -> None:
    assert "loss_is_scaled_for_ga" in vars(Trainer)
    assert "self.loss_is_scaled_for_ga" in inspect.getsource(Trainer.training_step)


def test_settings_that_arrive_late_are_read_late() -> None:
    """`complete_arguments` sets them after `TrainingArguments` was made, before the Trainer is."""
    for name in ("learning_rate", "gradient_accumulation_steps", "eval_on_start", "eval_steps"):
        assert name in TrainingArguments.__dataclass_fields__


def test_accelerate_keeps_its_state_in_shared_dictionaries() -> None:
    assert isinstance(PartialState._shared_state, dict)
    assert isinstance(AcceleratorState._shared_state, dict)
    for name in ("distributed_type", "fsdp_plugin"):
        assert f'"{name}"' in inspect.getsource(AcceleratorState) or (
            f"self.{name}" in inspect.getsource(AcceleratorState)
        ), f"AcceleratorState has no {name}"
    assert "fsdp_plugin" in inspect.getsource(Accelerator)


def test_accelerates_fsdp_plugin_takes_the_policy_of_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSDP_VERSION", "2")
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
    plugin.set_mixed_precision("bf16")
    assert plugin.mixed_precision_policy.reduce_dtype is not None
    assert plugin.mixed_precision_policy.param_dtype == torch.bfloat16


def test_transformers_keeps_one_global_deepspeed_configuration() -> None:
    assert hf_deepspeed._hf_deepspeed_config_weak_ref is None
    assert callable(hf_deepspeed.unset_hf_deepspeed_config)
    source = inspect.getsource(hf_deepspeed.is_deepspeed_zero3_enabled)
    assert "_hf_deepspeed_config_weak_ref" in source


def test_deepspeed_has_what_is_switched_off_and_asked_for() -> None:
    deepspeed = pytest.importorskip("deepspeed")
    assert isinstance(deepspeed.ops.__compatible_ops__, dict)
    assert "deepspeed_shm_comm" in deepspeed.ops.__compatible_ops__
    assert callable(deepspeed.utils.safe_get_full_fp32_param)
    assert callable(deepspeed.zero.GatheredParameters)
