"""Features equal the reference's, for windows of any length."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from utils.audio.features import LogMel, pad_samples, window_frames

RNG = np.random.default_rng(3)


def noise(seconds: float) -> np.ndarray:
    return (0.1 * RNG.standard_normal(int(seconds * 16_000))).astype(np.float32)


@pytest.mark.parametrize("bins", [80, 128])
def test_features_equal_the_reference_extractor(bins: int) -> None:
    extractor = WhisperFeatureExtractor(feature_size=bins)
    samples = noise(3.3)
    expected = extractor(samples, sampling_rate=16_000).input_features[0]
    found = LogMel(extractor.mel_filters)(pad_samples([samples], 3000))[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_filters_are_librosas_slaney_filters() -> None:
    filters = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80)
    np.testing.assert_allclose(
        LogMel(WhisperFeatureExtractor().mel_filters).filters.numpy(), filters, atol=1e-6
    )


def test_a_short_window_is_the_long_one_sliced_but_for_its_last_frame() -> None:
    log_mel = LogMel(WhisperFeatureExtractor().mel_filters)
    samples = noise(2.0)
    short = log_mel(pad_samples([samples], 200))[0, :, :199]
    torch.testing.assert_close(short, log_mel(pad_samples([samples], 3000))[0, :, :199])


def test_a_row_does_not_depend_on_its_batch() -> None:
    log_mel = LogMel(WhisperFeatureExtractor().mel_filters)
    loud, quiet = noise(1.0), noise(0.7) * 0.01
    together = log_mel(pad_samples([loud, quiet], 100))
    torch.testing.assert_close(together[1:], log_mel(pad_samples([quiet], 100)))


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(0, 50), (1, 50), (16_000, 100), (16_001, 102), (480_000, 3000), (900_000, 3000)],
)
def test_windows_are_even_and_hold_the_sound(samples: int, frames: int) -> None:
    assert window_frames(samples) == frames


def test_silence_has_finite_features() -> None:
    log_mel = LogMel(WhisperFeatureExtractor().mel_filters)
    assert log_mel(torch.zeros(1, 16_000)).isfinite().all()
