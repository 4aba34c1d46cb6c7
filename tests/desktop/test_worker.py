"""The window's process: it keeps the model, and cuts every recording into the same few bars."""

from __future__ import annotations

import numpy as np
import pytest

from utils.audio.clip import AudioRef
from utils.audio.load import load_audio
from utils.desktop.messages import Failed, Open, Transcribe, Transcribed
from utils.desktop.worker import BARS, Worker, _store
from utils.transcription.infer.settings import InferSettings


@pytest.mark.parametrize("length", [0, 1, BARS - 1, BARS, 16_000 * 61 + 7, 16_000 * 150])
def test_samples_are_stored_whole_and_their_peaks_are_those_of_equal_parts(tmp_path, length):
    samples = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    peaks = _store(samples, tmp_path / "sound.f32")
    np.testing.assert_array_equal(np.fromfile(tmp_path / "sound.f32", np.float32), samples)
    bar = max(1, -(-length // BARS))
    parts = [np.abs(samples[i : i + bar]).max() for i in range(0, length, bar)]
    np.testing.assert_array_equal(peaks, np.array(parts, np.float32))
    assert len(peaks) <= BARS


def test_a_model_is_loaded_once_for_all_that_asks_for_it(tmp_path, demo_model, repository):
    answers: list = []
    worker = Worker(tmp_path, answers.append)
    clip = str(repository / "dataset" / "sample.flac")
    worker.answer(Open(clip))
    assert answers[-1].seconds == len(load_audio(AudioRef(clip))) / 16_000
    engines = []
    for language in ("zh", "en"):
        settings = InferSettings(model_path=str(demo_model), language=language)
        worker.answer(Transcribe(clip, settings))
        assert isinstance(answers[-1], Transcribed)
        assert answers[-1].transcript["language"] == language
        engines.append(worker._last.engine)
    assert engines[0] is engines[1] is not None
    settings = InferSettings(model_path=str(demo_model), device="cuda:99")
    worker.answer(Transcribe(clip, settings))
    assert isinstance(answers[-1], Failed) and "--device=cuda:99" in answers[-1].message
