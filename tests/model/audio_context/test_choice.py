"""A model's loss on known transcripts tells which windows it can do with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from utils.audio.clip import AudioRef
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.audio_context.choice import PROBED, context_losses, spread_over
from utils.model.load import load_model
from utils.model.loaded import LoadedModel


@pytest.fixture(scope="module")
def demo(demo_model: Path) -> LoadedModel:
    return load_model(str(demo_model))


@pytest.fixture(scope="module")
def clips(demo_model: Path) -> list[Utterance]:
    return list(read_manifest(demo_model.parent / "zh" / "test.jsonl"))[:3]


def test_the_demos_base_knows_windows_of_every_length(
    demo: LoadedModel, clips: list[Utterance]
) -> None:
    losses = context_losses(demo, clips)
    assert losses.utterances == 3
    assert losses.is_as_good("dynamic") and losses.is_as_good("thinned")
    assert losses.thinned == pytest.approx(losses.full, abs=0.02)
    assert f"{losses.full:.2f} nats a token on windows of 30 s" in str(losses)


def test_what_cannot_be_read_is_left_out_and_the_mode_is_kept(
    demo: LoadedModel, clips: list[Utterance], tmp_path: Path
) -> None:
    missing = Utterance(AudioRef(str(tmp_path / "gone.wav")), "a", "gone", "zh")
    demo.model.train()
    losses = context_losses(demo, [missing, clips[0]])
    assert demo.model.training
    demo.model.eval()
    assert losses.utterances == 1
    assert context_losses(demo, [missing]).utterances == 0


def test_a_clip_without_speech_has_a_loss_too(demo: LoadedModel, clips: list[Utterance]) -> None:
    silent = Utterance(clips[0].audio, "", "silent", "zh", sentences=())
    losses = context_losses(demo, [silent])
    assert torch.tensor([losses.full, losses.dynamic, losses.thinned]).isfinite().all()


def test_a_few_are_taken_from_all_over(clips: list[Utterance]) -> None:
    many = clips * 10
    assert len(spread_over(many, PROBED)) == PROBED
    assert spread_over(many, PROBED)[-1] is many[-1]
    assert spread_over(clips, PROBED) == clips and spread_over([], PROBED) == []
