"""Any file becomes float32 mono samples at 16 kHz within [-1, 1]."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from utils.audio.clip import AudioRef
from utils.audio.load import load_audio, resample
from utils.cli.errors import UserError


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_any_rate_becomes_16_khz(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(rate), rate)
    samples = load_audio(AudioRef(str(tmp_path / "a.wav")))
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(16_000, abs=2)
    middle = slice(2_000, 14_000)  # a resampler rings at the ends
    np.testing.assert_allclose(samples[middle], tone(16_000)[middle], atol=2e-3)


def test_resampling_is_librosas() -> None:
    samples = np.random.default_rng(0).standard_normal(8_000).astype(np.float32)
    expected = librosa.resample(samples, orig_sr=8_000, target_sr=16_000, res_type="soxr_hq")
    np.testing.assert_allclose(resample(samples, 8_000, 16_000), expected, atol=1e-6)


def test_stereo_becomes_the_mean_of_its_channels(tmp_path: Path) -> None:
    both = np.stack([tone(16_000), np.zeros(16_000)], axis=1)
    soundfile.write(tmp_path / "a.flac", both, 16_000)
    samples = load_audio(AudioRef(str(tmp_path / "a.flac")))
    np.testing.assert_allclose(samples, tone(16_000) / 2, atol=1e-4)


def test_a_piece_is_cut_where_the_manifest_says(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(16_000, 3.0), 16_000, subtype="FLOAT")
    piece = load_audio(AudioRef(str(tmp_path / "a.wav"), start_time=1.0, end_time=1.5))
    np.testing.assert_allclose(piece, tone(16_000, 3.0)[16_000:24_000], atol=1e-6)


def test_samples_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 4 * tone(16_000), 16_000, subtype="FLOAT")
    assert np.abs(load_audio(AudioRef(str(tmp_path / "a.wav")))).max() == 1.0


@pytest.mark.parametrize("content", [b"", b"this is text", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_audio_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.wav"):
        load_audio(AudioRef(str(tmp_path / "a.wav")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.wav"):
        load_audio(AudioRef(str(tmp_path / "gone.wav")))
