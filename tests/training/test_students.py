"""A student: fewer decoder layers, taught by the model that it was cut from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import finetune_all
from tests.training.test_run import flags, metrics
from utils.cli.errors import UserError, run_script
from utils.model.fewer_layers import keep_decoder_layers, kept_layers
from utils.model.load import load_model
from utils.training.distillation import Teacher, taught_loss
from utils.training.settings.runs import FullSettings


@given(total=st.integers(2, 48), kept=st.integers(1, 47))
def test_the_kept_layers_are_spread_from_the_first_to_the_last(total: int, kept: int) -> None:
    kept = min(kept, total - 1)
    places = kept_layers(total, kept)
    assert len(set(places)) == kept
    assert places[0] == 0
    assert places == sorted(places)
    if kept > 1:
        assert places[-1] == total - 1
        gaps = [after - before for before, after in pairwise(places)]
        assert max(gaps) - min(gaps) <= 1


def batch_of(loaded, frames: int = 200) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 200, (2, 7), generator=generator)
    labels = ids.clone()
    labels[0, :3] = -100
    features = torch.randn(2, loaded.whisper.config.num_mel_bins, frames, generator=generator)
    return {"input_features": features, "decoder_input_ids": ids, "labels": labels}


def test_a_student_that_lacks_nothing_diverges_by_nothing(demo_model: Path) -> None:
    student, base = load_model(str(demo_model)), load_model(str(demo_model))
    inputs = {**batch_of(student), "merge_stride": 4}
    teacher = Teacher(base.whisper, student.whisper)
    loss, rest = taught_loss(teacher, student.whisper, inputs, None)
    assert loss is not None
    assert abs(loss.item()) < 1e-4
    # The encoder runs once: what is handed on has its states, and gives what the sound gives.
    assert "input_features" not in rest
    with torch.no_grad():
        names = ("input_features", "decoder_input_ids", "merge_stride")
        expected = base.whisper(**{name: inputs[name] for name in names}).logits
        names = ("encoder_outputs", "decoder_input_ids", "merge_stride")
        found = student.whisper(**{name: rest[name] for name in names}).logits
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_cut_model_diverges_and_learns_not_to(demo_model: Path) -> None:
    student, base = load_model(str(demo_model)), load_model(str(demo_model))
    keep_decoder_layers(student.whisper, 1)
    inputs = batch_of(student)
    teacher = Teacher(base.whisper, student.whisper)
    student.whisper.freeze_encoder()
    optimizer = torch.optim.AdamW(student.whisper.model.decoder.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss, _ = taught_loss(teacher, student.whisper, inputs, None)
        assert loss is not None
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert all(weight.grad is None for weight in base.whisper.parameters())


def test_no_more_layers_than_there_are(demo_model: Path) -> None:
    with pytest.raises(
        UserError, match="--student_layers=3: the base model's decoder has 3 layers"
    ):
        keep_decoder_layers(load_model(str(demo_model)).whisper, 3)
    with pytest.raises(UserError, match="--student_layers=0: expected 1 or more"):
        FullSettings(student_layers=0)
    with pytest.raises(UserError, match="--student_layers=1 and --context_match_steps exclude"):
        FullSettings(student_layers=1, context_match_steps=3)
    assert FullSettings(student_layers=1).highest_rate(512) == 1e-4
    assert FullSettings(student_layers=1, learning_rate=1e-5).highest_rate(512) == 1e-5


def test_a_run_learns_is_resumed_and_saves_a_model_of_its_layers(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    more = {"student_layers": 1, "learning_rate": 1e-3}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    command = flags(tiny_model, speech_manifest, whole, **more)
    assert run_script(lambda _: finetune_all.main(command)) == 0
    command = flags(tiny_model, speech_manifest, cut, **more)
    finetune_all.main([*command, "--max_steps=2"])
    again = [*command, "--resume_from_checkpoint=auto", "--allow_changed_settings=True"]
    finetune_all.main(again)
    losses = [
        [line["loss"] for line in metrics(run / "tiny") if "loss" in line] for run in (whole, cut)
    ]
    assert len(losses[0]) == 4
    assert losses[0][0] > losses[0][-1]
    saved = load_model(str(whole / "tiny" / "checkpoint-final"))
    assert saved.whisper.config.decoder_layers == len(saved.whisper.model.decoder.layers) == 1
    before = load_model(str(tiny_model)).whisper.model
    for name, weight in saved.whisper.model.encoder.state_dict().items():
        torch.testing.assert_close(weight, before.encoder.state_dict()[name])
