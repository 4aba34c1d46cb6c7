"""Steps are cut so that they fit, stay as large as they were, and give the same gradient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import finetune
import finetune_all
from tests.training.test_run import flags, gradient_norms, losses
from utils.cli.errors import run_script
from utils.data.batching import BatchPlan
from utils.model.load import load_model
from utils.training import trainer
from utils.training.memory.out_of_memory import MemoryGuard
from utils.training.memory.plan import asked_at_once, optimizer_name, recut, surely_fits
from utils.training.memory.probe import MemoryProbe

MB = 10**6


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 4), st.integers(1, 99))
def test_a_step_keeps_its_size(micro: int, accumulation: int, processes: int, fits: int) -> None:
    plan = BatchPlan(micro, accumulation, num_processes=processes)
    found = recut(plan, fits)
    assert found.micro_batch * found.parts == plan.micro_batch * plan.parts
    assert found.micro_batch <= fits
    assert replace(found, micro_batch=micro, accumulation=accumulation) == plan


def test_what_fits_whole_is_not_cut() -> None:
    assert recut(BatchPlan(4, 4), 100) == BatchPlan(16, 1)


def checkpointed(model: Any) -> list[str]:
    """Names of the layers that are computed again in the backward pass."""
    modules = model.named_modules()
    return [
        n for n, m in modules if ".layers." in n and getattr(m, "gradient_checkpointing", False)
    ]


def device_of(monkeypatch: pytest.MonkeyPatch, most: int, with_checkpointing: int) -> None:
    """A device that computes so many examples at once."""

    def largest(self: MemoryProbe, window: float, wanted: int) -> int:
        fits = with_checkpointing if checkpointed(self.model) else most
        return min(fits, wanted)

    monkeypatch.setattr(MemoryProbe, "largest_batch", largest)
    monkeypatch.setattr("utils.training.memory.plan.surely_fits", lambda *_: False)


@pytest.mark.parametrize("script", [finetune.main, finetune_all.main], ids=["lora", "full"])
def test_auto_batch_says_what_fits_and_trains_the_same(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    script: object,
) -> None:
    more = {"max_steps": 2, "per_device_train_batch_size": 8, "learning_rate": 1e-3}
    script(flags(tiny_model, speech_manifest, tmp_path / "asked", **more))  # type: ignore
    device_of(monkeypatch, most=3, with_checkpointing=8)
    capsys.readouterr()
    script(flags(tiny_model, speech_manifest, tmp_path / "cut", auto_batch=True, **more))  # type: ignore
    asked, cut = tmp_path / "asked" / "tiny", tmp_path / "cut" / "tiny"
    assert gradient_norms(cut) == pytest.approx(gradient_norms(asked), rel=1e-4)
    assert losses(cut) == pytest.approx(losses(asked), rel=1e-4)
    assert "3 x 7.5 s at once fit into" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "fits", "layers"), [("auto", 8, 0), ("auto", 3, 4), (True, 8, 4), (False, 3, 0)]
)
def test_layers_are_checkpointed_when_asked_for_or_needed(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flag: object,
    fits: int,
    layers: int,
) -> None:
    seen = []
    train = trainer.WhisperTrainer.train

    def look(self: trainer.WhisperTrainer, **options: object) -> object:
        seen.extend(checkpointed(self.model))
        return train(self, **options)

    monkeypatch.setattr(trainer.WhisperTrainer, "train", look)
    device_of(monkeypatch, most=fits, with_checkpointing=8)
    more = {"max_steps": 1, "per_device_train_batch_size": 4, "gradient_checkpointing": flag}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    assert len(seen) == layers


def test_a_budget_that_holds_nothing_ends_before_training(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"auto_batch": True, "memory_budget": 0.001, "audio_context": "dynamic"}
    run = flags(tiny_model, speech_manifest, tmp_path, **more)
    assert run_script(lambda _: finetune_all.main(run)) == 1
    said = capsys.readouterr()
    assert "not even one utterance of 3.0 s fits into 0.00 GB" in said.err
    assert "activations are checkpointed" in said.out  # that was tried first


def test_a_small_model_on_a_large_machine_is_not_probed(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model))
    assert surely_fits(loaded, 8, 30.0, 100_000 * MB)
    assert not surely_fits(loaded, 8, 30.0, 100 * MB)


def test_the_optimizer_is_the_fused_one() -> None:
    assert optimizer_name("adamw") in ("adamw_torch_fused", "adamw_torch")
    if not torch.backends.mps.is_available():
        assert optimizer_name("adamw") == "adamw_torch_fused"
    assert optimizer_name("adamw_8bit") == "adamw_bnb_8bit"


def test_the_8_bit_optimizer_trains(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    more = {"optim": "adamw_8bit", "max_steps": 8, "save_steps": 100, "learning_rate": 1e-3}
    finetune_all.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    found = losses(tmp_path / "tiny")
    assert found[-1] < found[0]


def test_the_frozen_weights_can_be_held_in_4_bits_and_the_adapter_merges(
    demo_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    """Merging adds to the weights as they were, not as they were rounded.

    Of a model 128 wide: bitsandbytes packs no rows shorter than its blocks of 64 on some CPUs.
    """
    pytest.importorskip("bitsandbytes")
    import merge_lora

    more = {"use_4bit": True, "max_steps": 8, "save_steps": 100}
    finetune.main(flags(demo_model, speech_manifest, tmp_path, **more))
    found = losses(tmp_path / "base")
    assert found[-1] < found[0]
    adapter = tmp_path / "base" / "checkpoint-final"
    merge_lora.main([f"--lora_model={adapter}", f"--output_dir={tmp_path / 'models'}"])
    assert not load_model(str(tmp_path / "models" / "base-finetune")).is_adapter


def test_batches_by_seconds_keep_their_steps_and_are_computed_in_pieces(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sixteen seconds hold five windows of three seconds; the device holds one.
    more = {"max_steps": 3, "batch_seconds": 16, "audio_context": "dynamic", "save_steps": 100}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path / "asked", **more))
    device_of(monkeypatch, most=1, with_checkpointing=1)
    limits = []
    run = MemoryGuard.run

    def look(self: MemoryGuard, *args: object) -> object:
        limits.append(self.limit)
        return run(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryGuard, "run", look)
    finetune.main(flags(tiny_model, speech_manifest, tmp_path / "cut", auto_batch=True, **more))
    asked, found = tmp_path / "asked" / "tiny", tmp_path / "cut" / "tiny"
    assert set(limits) == {300}  # frames of the longest window
    assert gradient_norms(found) == pytest.approx(gradient_norms(asked), rel=1e-4)
    assert losses(found) == pytest.approx(losses(asked), rel=1e-4)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (BatchPlan(8, 4, num_processes=2), 8),
        (BatchPlan(8, batch_seconds=30.0), 6),
        (BatchPlan(8, batch_tokens=100), 10),
        (BatchPlan(8, batch_seconds=30.0, batch_tokens=20), 2),
        (BatchPlan(8, batch_seconds=3.0), 1),
    ],
)
def test_what_is_asked_at_once_is_one_micro_batch(plan: BatchPlan, expected: int) -> None:
    assert asked_at_once(plan, window=5.0, tokens=10) == expected
