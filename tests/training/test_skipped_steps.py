"""Steps that cannot be learned from are skipped, counted, named, and end a run if they go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import finetune
from tests.training.test_run import flags, metrics
from utils.cli.errors import Failure
from utils.data.batching import Collator, Example
from utils.training.skipped_steps import MEDIAN_NEEDS, SkippedSteps


def step(guard: SkippedSteps, loss: float, norm: float, **more: bool) -> str | None:
    guard.begin_step()
    guard.note(torch.tensor(loss), [("a", 1.0), ("b", 2.0)])
    return guard.why_unusable(norm, **more)


def test_what_is_bad() -> None:
    guard = SkippedSteps(3)
    nan, infinite = float("nan"), float("inf")
    assert step(guard, 1.0, 1.0) is None
    assert step(guard, 1.0, 1e30) is None
    assert "loss" in (step(guard, nan, nan) or "")
    assert "loss" in (step(guard, infinite, 1.0) or "")
    assert "gradient is inf" in (step(guard, 1.0, infinite) or "")
    # float16 finds its scale by infinite gradients; an infinite loss it does not need.
    assert step(guard, 1.0, infinite, may_overflow=True) is None
    assert step(guard, nan, nan, may_overflow=True) is not None


def test_a_spike_is_one_beside_the_median_of_what_came_before() -> None:
    guard = SkippedSteps(3, max_spike=10)
    assert step(guard, 1.0, 1000.0) is None  # nothing to compare with yet
    for number in range(MEDIAN_NEEDS):
        guard.accept(1.0 + number % 3)
    assert step(guard, 1.0, 19.0) is None
    assert "2 is usual" in (step(guard, 1.0, 21.0) or "")
    again = SkippedSteps(3, max_spike=10)
    again.restore(json.loads(json.dumps(guard.state())))
    assert step(again, 1.0, 21.0) is not None


def test_examples_are_named_and_too_many_in_a_row_end_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    guard = SkippedSteps(1)
    guard.begin_step()
    guard.note(torch.tensor(1.0), [("good", 1.0)])
    guard.note(torch.tensor(float("nan")), [("bad", 1.0)])
    guard.reject(7, "the loss is not a finite number")
    said = capsys.readouterr().err
    assert "step 7 is skipped" in said and "bad" in said and "good" not in said
    guard.accept(1.0)
    guard.reject(9, "x")
    with pytest.raises(Failure, match=r"2 steps in a row .* at step 10 x, learning from bad"):
        guard.reject(10, "x")
    assert guard.total == 3


def test_a_run_goes_on_past_a_poisoned_clip(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    collate = Collator.__call__

    def poison(self: Collator, examples: Sequence[Example]) -> dict[str, Any]:
        batch = collate(self, examples)
        for row, example in enumerate(examples):
            if example.id == "clip-3":
                batch["input_features"][row] = float("nan")
        return batch

    monkeypatch.setattr(Collator, "__call__", poison)
    more = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, max_steps=3, **more))
    said = capsys.readouterr().err
    # Three steps are a pass, so the clip was in one of them; of the four in it, it alone is named.
    assert "is skipped: the loss is not a finite number; it learned from clip-3\n" in said
    assert "steps without a usable gradient, which were skipped: 1" in said
    lines = metrics(tmp_path / "tiny")
    assert lines[-1]["bad_steps"] == 1
    assert len([line for line in lines if "loss" in line]) == 2
    weights = load_file(tmp_path / "tiny" / "checkpoint-final" / "adapter_model.safetensors")
    assert all(value.isfinite().all() for value in weights.values())


def test_a_run_that_diverges_ends_with_one_sentence(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    more = {"learning_rate": 1e30, "max_bad_steps": 2, "max_steps": 20, "save_steps": 100}
    with pytest.raises(Failure, match="3 steps in a row had no usable gradient") as caught:
        finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    assert "clip-" in caught.value.message
    assert "lower --learning_rate" in caught.value.hint
