"""A run with the cache is the run without it, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

import finetune
from tests.training.test_run import flags, losses
from utils.data import dataset


def test_later_epochs_decode_nothing_and_learn_the_same(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"max_steps": 6, "save_steps": 100}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path / "plain", **more))
    decoded: list[object] = []
    load = dataset.load_audio
    monkeypatch.setattr(dataset, "load_audio", lambda ref: decoded.append(ref) or load(ref))
    finetune.main(flags(tiny_model, speech_manifest, tmp_path / "cached", audio_cache=1, **more))
    training = len(decoded) - 9  # the dev set is read for its own loss
    assert training == 9  # two epochs of nine clips
    cached = tmp_path / "cached" / "tiny"
    assert losses(cached) == losses(tmp_path / "plain" / "tiny")
    assert not list(cached.glob(".audio*"))
