"""Where a library has a class for what this project does by itself, both come to the same."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from torch import nn
from torch.optim.swa_utils import AveragedModel
from transformers import TrainerControl
from transformers.trainer_callback import EarlyStoppingCallback

from utils.training.moving_average import MovingAverage
from utils.training.parameter_groups import RateFactors, group_parameters


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.v_proj = nn.Linear(4, 4), nn.Linear(4, 4)


def test_the_moving_average_is_torchs_to_the_bit() -> None:
    model = Layers()
    trained = nn.ParameterList(model.v_proj.parameters())
    model.q_proj.requires_grad_(False)
    steps = iter(range(1, 9))

    def move(averages: list[torch.Tensor], weights: list[torch.Tensor], _: object) -> None:
        step = next(steps)
        torch._foreach_lerp_(averages, weights, 1 - min(0.99, (1 + step) / (10 + step)))

    ours, theirs = MovingAverage(model, 0.99), AveragedModel(trained, multi_avg_fn=move)
    ours.on_train_begin(None, None, None)
    theirs.update_parameters(trained)  # the first time it copies
    for step in range(1, 9):
        with torch.no_grad():
            for weight in trained:
                weight.add_(torch.randn_like(weight))
        ours.on_step_end(None, SimpleNamespace(global_step=step), None)
        theirs.update_parameters(trained)
    for found, expected in zip(ours.average.values(), theirs.module.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_the_learning_rates_of_lora_plus_are_pefts() -> None:
    model = get_peft_model(Layers(), LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    expected = create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=16.0, loraplus_weight_decay=0.1
    )
    decayed = [name for name, _ in model.named_parameters()]
    trainer = SimpleNamespace(
        args=SimpleNamespace(weight_decay=0.1), get_decay_parameter_names=lambda _: decayed
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "transformers.Trainer.get_optimizer_cls_and_kwargs",
            lambda *_: (torch.optim.AdamW, {"lr": 1e-3}),
        )
        _, options = group_parameters(trainer, model, RateFactors(lora_plus_ratio=16.0))
    rates = {id(p): (g["lr"], g["weight_decay"]) for g in options["params"] for p in g["params"]}
    for group in expected.param_groups:
        for weight in group["params"]:
            assert rates.pop(id(weight)) == pytest.approx((group["lr"], group["weight_decay"]))
    assert not rates


def test_the_librarys_early_stopping_would_end_a_run_that_improves() -> None:
    """It compares with a best score that is updated after it; ours is updated before."""
    theirs, control = EarlyStoppingCallback(2), TrainerControl()
    arguments = SimpleNamespace(metric_for_best_model="dev_cer", greater_is_better=False)
    for step, error in enumerate([0.5, 0.4, 0.3]):
        state = SimpleNamespace(best_metric=error, global_step=step)
        theirs.on_evaluate(arguments, state, control, {"eval_dev_cer": error})
    assert control.should_training_stop
