"""A run with compiled layers: fixed windows, and nothing compiled once each has been seen."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters

import finetune
from tests.training.test_run import flags, losses
from utils.audio.features import COMPILED_WINDOWS
from utils.model.compilation import compile_layers
from utils.model.load import load_model
from utils.training import trainer


def test_later_passes_compile_nothing(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced as always, but run by torch itself, which takes no minutes."""
    torch._dynamo.reset()
    counters.clear()
    quick = partial(compile_layers, backend="aot_eager")
    monkeypatch.setattr("utils.training.run.compile_layers", quick)
    frames, graphs = [], []
    step = trainer.WhisperTrainer.training_step

    def look(self: trainer.WhisperTrainer, model: object, inputs: dict, *rest: object) -> object:
        frames.append(inputs["input_features"].shape[-1])
        loss = step(self, model, inputs, *rest)
        graphs.append(counters["stats"]["unique_graphs"])
        return loss

    monkeypatch.setattr(trainer.WhisperTrainer, "training_step", look)
    more = {"max_steps": 12, "save_steps": 100, "use_compile": True, "audio_context": "dynamic"}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    assert set(frames) <= set(COMPILED_WINDOWS)
    assert len(set(frames)) > 1
    assert graphs[5] > 0
    assert graphs[5] == graphs[-1]  # two passes in, and four more
    assert losses(tmp_path / "tiny")[-1] < losses(tmp_path / "tiny")[0]
    assert load_model(str(tmp_path / "tiny" / "checkpoint-final")).is_adapter
    torch._dynamo.reset()
