"""The voice detector hears quiet speech beside loud speech, and none in noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from utils.audio.features import SAMPLE_RATE
from utils.audio.load import load_audio
from utils.audio.vad import speech_in
from utils.manifest.read import read_manifest

pytest.importorskip("faster_whisper", reason="faster-whisper is an extra")
PAUSE = np.zeros(5 * SAMPLE_RATE, np.float32)


@pytest.fixture(scope="module")
def sentences(demo_model: Path) -> np.ndarray:
    """Some ten seconds of demo sentences, at most 0.9."""
    clips = [load_audio(each.audio) for each in read_manifest(demo_model.parent / "en/test.jsonl")]
    sound = np.concatenate(clips[:6])
    return np.asarray(0.9 * sound / np.abs(sound).max(), np.float32)


def heard(sound: np.ndarray, start: float, end: float) -> float:
    """Seconds of speech that are found between two times."""
    parts = ((max(a, start), min(b, end)) for a, b in speech_in(sound, 30.0))
    return sum(max(0.0, b - a) for a, b in parts)


@pytest.mark.parametrize("quiet", [0.1, 0.01])
def test_quiet_speech_behind_loud_speech_is_heard_as_it_is_alone(sentences, quiet):
    hiss = np.random.default_rng(0).normal(0, 1e-5, 2 * len(sentences) + 2 * len(PAUSE))
    sound = np.concatenate([sentences, PAUSE, quiet * sentences, PAUSE]) + hiss
    sound = sound.astype(np.float32)
    begin = (len(sentences) + len(PAUSE)) / SAMPLE_RATE
    length = len(sentences) / SAMPLE_RATE
    loud, soft = heard(sound, 0, length), heard(sound, begin - 0.5, begin + length + 0.5)
    assert soft >= 0.7 * loud > 0.5 * length


def test_noise_behind_speech_is_none(sentences):
    noise = np.random.default_rng(0).normal(0, 0.003, 20 * SAMPLE_RATE).astype(np.float32)
    sound = np.concatenate([sentences, noise])
    assert heard(sound, len(sentences) / SAMPLE_RATE + 0.5, len(sound) / SAMPLE_RATE) == 0
    assert speech_in(noise, 30.0) == []
    assert speech_in(np.zeros_like(noise), 30.0) == []
