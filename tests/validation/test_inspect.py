"""Validation finds where speech and text disagree, and counts tokens with the model's tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from utils.audio.clip import AudioRef
from utils.model.load import load_model
from utils.validation.check import check_manifests
from utils.validation.findings import Inspector
from utils.validation.inspect import speech_seconds, too_many_tokens, voices

RATE = 16_000


def findings(folder: Path, lines: list[dict[str, Any]], inspect: Inspector) -> list[Any]:
    manifest = folder / "lines.json"
    manifest.write_text("\n".join(map(json.dumps, lines)))
    return [
        (each.severity, each.kind, each.id)
        for each in check_manifests([manifest], inspectors=[inspect]).findings
    ]


@pytest.fixture(scope="module")
def sounds(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with speech.flac and noise.wav."""
    folder = tmp_path_factory.mktemp("sounds")
    shutil.copy(repository / "dataset" / "sample.flac", folder / "speech.flac")
    hiss = np.random.default_rng(0).uniform(-0.1, 0.1, 3 * RATE)
    soundfile.write(folder / "noise.wav", hiss, RATE)
    return folder


def test_text_without_voice_and_voice_without_text_are_found(sounds: Path) -> None:
    silent: dict[str, Any] = {"sentence": "", "sentences": []}
    lines = [
        {"audio": {"path": "speech.flac"}, "sentence": "what is said there", "id": "right"},
        {"audio": {"path": "noise.wav"}, "id": "also right"} | silent,
        {"audio": {"path": "noise.wav", "end_time": 2.0}, "sentence": "words", "id": "no voice"},
        {"audio": {"path": "speech.flac", "end_time": 9.0}, "id": "no text"} | silent,
    ]
    assert findings(sounds, lines, voices) == [
        ("warning", "text without voice", "no voice"),
        ("warning", "voice without text", "no text"),
    ]


def test_long_sounds_are_heard_in_parts(sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = speech_seconds(AudioRef(str(sounds / "speech.flac")))
    monkeypatch.setattr("utils.audio.limits.BLOCK_SECONDS", 5.0)
    parts = speech_seconds(AudioRef(str(sounds / "speech.flac")))
    assert parts[0] == pytest.approx(whole[0], rel=0.15)
    assert parts[0] >= parts[1] > 5.0


def test_labels_are_counted_with_the_tokenizer(sounds: Path, tiny_model: Path) -> None:
    encoder = load_model(str(tiny_model)).label_encoder(language="en", timestamps=True)
    letters = "".join(np.random.default_rng(0).choice(list("qxzjvkw"), 460))
    lines = [
        {"audio": {"path": "speech.flac"}, "sentence": letters, "id": "long"},
        {"audio": {"path": "speech.flac", "start_time": 1}, "sentence": "short", "id": "short"},
    ]
    found = findings(sounds, lines, too_many_tokens(encoder))
    assert ("error", "too many tokens", "long") in found
    assert [each for each in found if each[2] == "short"] == []
