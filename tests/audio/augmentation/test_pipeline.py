"""Augmentation is heard in the sound, keeps times true, and never makes samples unusable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.audio.augmentation import effects
from utils.audio.augmentation.pipeline import Augmenter
from utils.audio.clip import TimedSentence
from utils.cli.errors import UserError

RATE = 16_000
SENTENCES = (TimedSentence(0.0, 0.8, "one"), TimedSentence(1.0, 2.0, "two"))


def augmenter(tmp_path: Path, *items: dict[str, Any]) -> Augmenter:
    path = tmp_path / "augmentation.json"
    path.write_text(json.dumps(items), "utf-8")
    return Augmenter.from_file(path)


def only(tmp_path: Path, kind: str, prob: float = 1.0, **params: Any) -> Augmenter:
    return augmenter(tmp_path, {"type": kind, "prob": prob, "params": params})


def rng(seed: int | list[int] = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def tone(frequency: float = 440.0, seconds: float = 2.0, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(RATE * seconds)) / RATE
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


def power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples.astype(np.float64))))


def decibels(ratio: float) -> float:
    return float(10 * np.log10(ratio))


def times(sentences: tuple[TimedSentence, ...] | None) -> list[float]:
    assert sentences is not None
    return [time for each in sentences for time in (each.start, each.end)]


@pytest.mark.parametrize("rate", [0.8, 0.9, 1.1, 1.25])
def test_speed_changes_length_pitch_and_times_together(tmp_path: Path, rate: float) -> None:
    changer = only(tmp_path, "speed", min_speed_rate=rate, max_speed_rate=rate, num_rates=1)
    samples, sentences = changer.waveform(tone(440, 2.0), SENTENCES, rng())
    assert len(samples) == round(2 * RATE / rate)
    assert pitch(samples) == pytest.approx(440 * rate, abs=1)
    assert power(samples) == pytest.approx(power(tone()), rel=0.02)
    expected = [time / rate for time in (0.0, 0.8, 1.0, 2.0)]
    assert times(sentences) == pytest.approx(expected, abs=1e-4)
    assert [each.text for each in sentences or ()] == ["one", "two"]


def test_speed_rates_are_evenly_spread(tmp_path: Path) -> None:
    changer = only(tmp_path, "speed", min_speed_rate=0.9, max_speed_rate=1.1, num_rates=3)
    generator = rng()
    lengths = {len(changer.waveform(tone(), None, generator)[0]) for _ in range(30)}
    assert lengths == {round(2 * RATE / rate) for rate in (0.9, 1.0, 1.1)}
    anything = only(tmp_path, "speed", min_speed_rate=0.9, max_speed_rate=1.1, num_rates=0)
    lengths = {len(anything.waveform(tone(), None, generator)[0]) for _ in range(30)}
    assert len(lengths) > 20
    assert min(lengths) >= 2 * RATE / 1.1 - 1
    assert max(lengths) <= 2 * RATE / 0.9 + 1


def test_speed_that_would_pass_30_seconds_is_left_out(tmp_path: Path) -> None:
    changer = only(tmp_path, "speed", min_speed_rate=0.9, max_speed_rate=0.9, num_rates=1)
    long = tone(440, 27.5)
    samples, sentences = changer.waveform(long, SENTENCES, rng())
    np.testing.assert_array_equal(samples, long)
    assert sentences == SENTENCES
    assert len(changer.waveform(tone(440, 27.0), None, rng())[0]) == 30 * RATE


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_tempo_changes_length_and_times_and_keeps_the_pitch(tmp_path: Path, rate: float) -> None:
    changer = only(tmp_path, "tempo", min_tempo_rate=rate, max_tempo_rate=rate)
    samples, sentences = changer.waveform(tone(440, 2.0), SENTENCES, rng())
    assert len(samples) == round(2 * RATE / rate)
    assert pitch(samples) == pytest.approx(440, abs=2)
    assert power(samples) == pytest.approx(power(tone()), rel=0.25)  # the vocoder fades the ends
    expected = [time / rate for time in (0.0, 0.8, 1.0, 2.0)]
    assert times(sentences) == pytest.approx(expected, abs=1e-4)
    slow = only(tmp_path, "tempo", min_tempo_rate=0.5, max_tempo_rate=0.5)
    assert len(slow.waveform(tone(440, 16.0), None, rng())[0]) == 16 * RATE  # 32 s are too long


@pytest.mark.parametrize("semitones", [-2.0, 3.0])
def test_pitch_changes_the_pitch_alone(tmp_path: Path, semitones: float) -> None:
    changer = only(tmp_path, "pitch", min_semitones=semitones, max_semitones=semitones)
    samples, sentences = changer.waveform(tone(440, 2.0), SENTENCES, rng())
    assert (len(samples), sentences) == (2 * RATE, SENTENCES)
    assert pitch(samples) == pytest.approx(440 * 2 ** (semitones / 12), abs=2)
    assert power(samples) == pytest.approx(power(tone()), rel=0.25)


def test_a_later_start_moves_sound_and_times(tmp_path: Path) -> None:
    changer = only(tmp_path, "shift", min_shift_ms=-250, max_shift_ms=-250)
    samples, sentences = changer.waveform(tone(), SENTENCES, rng())
    np.testing.assert_array_equal(samples, np.concatenate([np.zeros(4000), tone()]))
    assert times(sentences) == pytest.approx([0.25, 1.05, 1.25, 2.25])


def test_an_earlier_start_cuts_sound_and_times(tmp_path: Path) -> None:
    changer = only(tmp_path, "shift", min_shift_ms=250, max_shift_ms=250)
    samples, sentences = changer.waveform(tone(), SENTENCES, rng())
    np.testing.assert_array_equal(samples, tone()[4000:])
    assert times(sentences) == pytest.approx([0.0, 0.55, 0.75, 1.75])


def test_a_shift_never_passes_30_seconds_nor_cuts_more_than_half(tmp_path: Path) -> None:
    later = only(tmp_path, "shift", min_shift_ms=-1000, max_shift_ms=-1000)
    samples, sentences = later.waveform(tone(440, 29.5), SENTENCES, rng())
    assert len(samples) == 30 * RATE
    assert times(sentences) == pytest.approx([0.5, 1.3, 1.5, 2.5])
    earlier = only(tmp_path, "shift", min_shift_ms=5000, max_shift_ms=5000)
    samples, sentences = earlier.waveform(tone(), SENTENCES, rng())
    assert len(samples) == RATE
    assert times(sentences) == pytest.approx([0.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("gain", [-15.0, -3.0, 0.0, 6.0])
def test_volume_changes_the_level_by_its_decibels(tmp_path: Path, gain: float) -> None:
    changer = only(tmp_path, "volume", min_gain_dBFS=gain, max_gain_dBFS=gain)
    samples, sentences = changer.waveform(tone(), SENTENCES, rng())
    assert decibels(power(samples) / power(tone())) == pytest.approx(gain, abs=0.01)
    assert sentences == SENTENCES


def test_volume_stops_where_it_would_distort(tmp_path: Path) -> None:
    changer = only(tmp_path, "volume", min_gain_dBFS=40, max_gain_dBFS=40)
    samples, _ = changer.waveform(tone(), None, rng())
    np.testing.assert_allclose(samples, tone() / 0.3, atol=2e-4)


@pytest.fixture
def noise_dir(tmp_path: Path) -> Path:
    """A short and a long noise, one of them at another rate, below a folder."""
    folder = tmp_path / "noise" / "deeper"
    folder.mkdir(parents=True)
    soundfile.write(folder / "short.wav", rng(1).normal(0, 0.1, RATE // 2), RATE)
    soundfile.write(folder.parent / "long.flac", rng(2).normal(0, 0.05, (44_100 * 7, 2)), 44_100)
    (folder / "LICENSE").write_text("not a sound")
    return folder.parent


@pytest.mark.parametrize("snr", [-5.0, 0.0, 10.0, 30.0])
def test_noise_is_added_at_its_ratio(tmp_path: Path, noise_dir: Path, snr: float) -> None:
    changer = only(tmp_path, "noise", min_snr_dB=snr, max_snr_dB=snr, noise_dir=str(noise_dir))
    speech = tone(level=0.05)
    generator = rng()
    for _ in range(6):
        samples, sentences = changer.waveform(speech, SENTENCES, generator)
        assert len(samples) == len(speech)
        assert decibels(power(speech) / power(samples - speech)) == pytest.approx(snr, abs=0.01)
        assert sentences == SENTENCES


def test_loud_noise_keeps_its_ratio_within_the_range(tmp_path: Path, noise_dir: Path) -> None:
    changer = only(tmp_path, "noise", min_snr_dB=-10, max_snr_dB=-10, noise_dir=str(noise_dir))
    samples, _ = changer.waveform(tone(level=0.9), None, rng())
    assert np.abs(samples).max() == pytest.approx(1.0)
    clean = tone(level=0.9)
    scale = float(samples @ clean / (clean @ clean))
    noise = samples - scale * clean
    assert decibels(power(scale * clean) / power(noise)) == pytest.approx(-10, abs=0.5)


def test_resampling_loses_what_a_lower_rate_cannot_hold(tmp_path: Path) -> None:
    changer = only(tmp_path, "resample", new_sample_rates=[8000])
    both = tone(1000) + tone(6000)
    samples, sentences = changer.waveform(both, SENTENCES, rng())
    assert len(samples) == len(both)
    assert sentences == SENTENCES
    middle = slice(RATE // 2, 3 * RATE // 2)
    spectrum = np.abs(np.fft.rfft(samples[middle]))
    assert spectrum[6000] < 1e-3 * spectrum[1000]
    np.testing.assert_allclose(samples[middle], tone(1000)[middle], atol=2e-3)


def every_kind(noise_dir: Path) -> list[dict[str, Any]]:
    return [
        {"type": "resample", "prob": 0.5, "params": {"new_sample_rates": [8000, 44100]}},
        {"type": "noise", "prob": 0.5, "params": {"min_snr_dB": 0, "noise_dir": str(noise_dir)}},
        {"type": "speed", "prob": 0.5, "params": {"num_rates": 0}},
        {"type": "tempo", "prob": 0.5, "params": {}},
        {"type": "pitch", "prob": 0.5, "params": {}},
        {"type": "shift", "prob": 0.5, "params": {"min_shift_ms": -500, "max_shift_ms": 500}},
        {"type": "volume", "prob": 0.5, "params": {"min_gain_dBFS": -15, "max_gain_dBFS": 15}},
        {"type": "reverb", "prob": 0.5, "params": {}},
        {"type": "codec", "prob": 0.5, "params": {}},
        {"type": "mobile", "prob": 0.5, "params": {}},
        {"type": "spec_augment", "prob": 0.5, "params": {}},
    ]


def test_the_same_seed_gives_the_same_sound(tmp_path: Path, noise_dir: Path) -> None:
    changer = augmenter(tmp_path, *every_kind(noise_dir))
    results = []
    for seed in (1, 1, 2):
        samples, sentences = changer.waveform(tone(), SENTENCES, rng(seed))
        masked = changer.features(np.ones((80, 200), np.float32), rng(seed))
        results.append((samples.tobytes(), sentences, masked.tobytes()))
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_the_input_is_not_changed(tmp_path: Path, noise_dir: Path) -> None:
    changer = augmenter(tmp_path, *(each | {"prob": 1.0} for each in every_kind(noise_dir)))
    samples, spectrum = tone(), rng().normal(size=(80, 200)).astype(np.float32)
    changer.waveform(samples, SENTENCES, rng())
    masked = changer.features(spectrum, rng())
    np.testing.assert_array_equal(samples, tone())
    np.testing.assert_array_equal(spectrum, rng().normal(size=(80, 200)).astype(np.float32))
    assert not np.array_equal(masked, spectrum)


@pytest.mark.parametrize("seconds", [0.0, 1 / RATE, 0.01, 1.0, 29.9, 30.0])
@pytest.mark.parametrize("level", [0.0, 1e-30, 0.3, 1.0])
def test_samples_stay_usable(tmp_path: Path, noise_dir: Path, seconds: float, level: float) -> None:
    changer = augmenter(tmp_path, *(each | {"prob": 0.7} for each in every_kind(noise_dir)))
    for seed in range(2):
        given_ = np.full(round(seconds * RATE), level, np.float32)
        last = TimedSentence(0.0, seconds, "x")
        samples, sentences = changer.waveform(given_, (last,), rng(seed))
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        assert np.isfinite(samples).all()
        assert np.abs(samples).max(initial=0.0) <= 1.0
        assert len(samples) <= 30 * RATE
        start, end = times(sentences)
        assert 0.0 <= start <= end <= len(samples) / RATE + 1e-9


def test_silence_stays_silence(tmp_path: Path, noise_dir: Path) -> None:
    changer = augmenter(tmp_path, *(each | {"prob": 1.0} for each in every_kind(noise_dir)))
    samples, _ = changer.waveform(np.zeros(RATE, np.float32), None, rng())
    assert not samples.any()


def is_changed(changer: Augmenter, samples: np.ndarray, seed: list[int]) -> bool:
    """Whether the sound, or the features, of an example come out otherwise."""
    spectrum = rng().normal(size=(80, 100)).astype(np.float32)
    sound, _ = changer.waveform(samples, None, rng([*seed, 0]))
    masked = changer.features(spectrum, rng([*seed, 1]))
    return not np.array_equal(sound, samples) or not np.array_equal(masked, spectrum)


@pytest.mark.parametrize("kind", list(effects.AUGMENTATIONS))
@pytest.mark.parametrize("prob", [0.0, 0.3, 1.0])
def test_probability_is_the_share_that_is_changed(
    tmp_path: Path, noise_dir: Path, kind: str, prob: float
) -> None:
    (item,) = (each for each in every_kind(noise_dir) if each["type"] == kind)
    changer = augmenter(tmp_path, item | {"prob": prob})
    short = tone(seconds=0.07)
    changed = sum(is_changed(changer, short, [7, 0, row]) for row in range(300))
    # Three standard deviations of 300 draws; all masks can be of no width, but seldom are.
    assert changed == pytest.approx(300 * prob, abs=24 if prob == 0.3 else 3 * prob)


def test_each_kind_is_tested(noise_dir: Path) -> None:
    assert [each["type"] for each in every_kind(noise_dir)] == list(effects.AUGMENTATIONS)


# ---------------------------------------------------------------------------------------------
# SpecAugment.


@settings(deadline=None)
@given(
    frames=st.integers(0, 600),
    masks=st.integers(0, 5),
    width=st.integers(0, 200),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_time_masks_hide_at_most_their_share(
    frames: int, masks: int, width: int, share: float, seed: int
) -> None:
    step = effects.SpecAugment(0, 0, masks, width, 0.0, share)
    spectrum = rng(seed).normal(size=(80, frames)).astype(np.float32)
    masked = step.features(spectrum, rng(seed))
    hidden = (masked != spectrum).any(axis=0)
    assert hidden.sum() <= share * frames
    assert hidden.sum() <= masks * width
    assert (masked != spectrum)[:, hidden].all()


@settings(deadline=None)
@given(
    bins=st.sampled_from([80, 128]),
    masks=st.integers(0, 5),
    width=st.integers(0, 200),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_frequency_masks_hide_at_most_their_share(
    bins: int, masks: int, width: int, share: float, seed: int
) -> None:
    step = effects.SpecAugment(masks, width, 0, 0, share, 0.0)
    spectrum = rng(seed).normal(size=(bins, 50)).astype(np.float32)
    masked = step.features(spectrum, rng(seed))
    hidden = (masked != spectrum).any(axis=1)
    assert hidden.sum() <= share * bins
    assert hidden.sum() <= masks * width


def test_masks_hide_whole_bands_at_the_mean(tmp_path: Path) -> None:
    changer = only(tmp_path, "spec_augment", freq_masks=2, freq_width=10, time_masks=2)
    spectrum = rng().normal(size=(80, 400)).astype(np.float32)
    hidden_frames, hidden_bins = [], []
    generator = rng()
    for _ in range(200):
        masked = changer.features(spectrum, generator)
        assert masked.shape == spectrum.shape
        assert masked.dtype == np.float32
        hidden = masked != spectrum
        np.testing.assert_allclose(masked[hidden], spectrum.mean(), rtol=1e-4)
        hidden_frames.append(int(hidden.all(axis=0).sum()))
        hidden_bins.append(int(hidden.all(axis=1).sum()))
    # Two stretches of 0 to 50 frames and two bands of 0 to 10 bins, now and then overlapping.
    assert np.mean(hidden_frames) == pytest.approx(48, abs=6)
    assert np.mean(hidden_bins) == pytest.approx(9.5, abs=1.5)
    assert max(hidden_frames) > 80


def test_a_file_without_spec_augment_leaves_features_alone(tmp_path: Path) -> None:
    spectrum = np.ones((80, 10), np.float32)
    assert only(tmp_path, "volume").features(spectrum, rng()) is spectrum


# ---------------------------------------------------------------------------------------------
# The file.


def test_the_shipped_file_works(repository: Path) -> None:
    changer = Augmenter.from_file(repository / "configs" / "augmentation.json")
    assert [type(step) for _, step in changer.steps] == list(effects.AUGMENTATIONS.values())
    for seed in range(10):
        samples, sentences = changer.waveform(tone(), SENTENCES, rng(seed))
        assert np.isfinite(samples).all()
        assert times(sentences)[-1] <= len(samples) / RATE + 1e-9


def test_files_of_other_tools_with_an_aug_type_are_read(tmp_path: Path) -> None:
    changer = augmenter(tmp_path, {"type": "volume", "aug_type": "audio", "prob": 0.5})
    assert changer.steps == ((0.5, effects.Volume()),)


@pytest.mark.parametrize(
    ("item", "message", "hint"),
    [
        ({"type": "sped"}, "item 2: type 'sped' is unknown", "did you mean speed?"),
        ({"type": "echo"}, "item 2: type 'echo' is unknown", "there are: resample, noise"),
        ({}, "item 2: type 'None' is unknown", "there are: resample"),
        ({"type": "speed", "probb": 1}, "item 2: key 'probb'", "did you mean prob?"),
        (
            {"type": "speed", "params": {"min_sped_rate": 1}},
            "item 2 (speed): parameter 'min_sped_rate' is unknown",
            "did you mean min_speed_rate?",
        ),
        ({"type": "speed", "prob": 1.5}, "item 2 (speed): prob is 1.5", "expected 0 to 1"),
        ({"type": "speed", "prob": "1"}, "item 2 (speed): prob is '1'", "expected 0 to 1"),
        ({"type": "speed", "prob": True}, "item 2 (speed): prob is True", "expected 0 to 1"),
        ({"type": "speed", "params": []}, "item 2 (speed): params is []", "expected an object"),
        (
            {"type": "speed", "params": {"num_rates": 2.5}},
            "item 2 (speed): num_rates is 2.5",
            "expected a whole number",
        ),
        (
            {"type": "speed", "params": {"min_speed_rate": "0.9"}},
            "min_speed_rate is '0.9'",
            "expected a number",
        ),
        (
            {"type": "speed", "params": {"min_speed_rate": 1.2}},
            "min_speed_rate must be <= max_speed_rate",
            "fix it",
        ),
        ({"type": "speed", "params": {"min_speed_rate": 0.0}}, "must be 0.5 or more", ""),
        ({"type": "volume", "params": {"max_gain_dBFS": 1000}}, "must be 100 or less", ""),
        ({"type": "shift", "params": {"max_shift_ms": 60000}}, "must be <= 5000", ""),
        ({"type": "resample", "params": {"new_sample_rates": 8000}}, "is 8000", "a list of"),
        ({"type": "resample", "params": {"new_sample_rates": []}}, "at least one rate", ""),
        ({"type": "resample", "params": {"new_sample_rates": [8]}}, "rates in Hz between", ""),
        ({"type": "spec_augment", "params": {"time_masks": -1}}, "must be 0 or more", ""),
        ({"type": "spec_augment", "params": {"max_time_share": 30}}, "between 0 and 1", ""),
        ({"type": "noise", "params": {"noise_dir": "none"}}, "no folder none with noise", "prob"),
        ("speed", "item 2 is no object", "expected"),
    ],
)
def test_a_wrong_file_is_answered_by_name(
    tmp_path: Path, item: Any, message: str, hint: str
) -> None:
    with pytest.raises(UserError) as error:
        augmenter(tmp_path, {"type": "volume"}, item)
    assert message in error.value.message
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("content", "message"), [("{}", "holds no list"), ("[", "not JSON"), (None, "there is no")]
)
def test_what_is_no_augmentation_file_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        Augmenter.from_file(path)


def test_noise_that_cannot_be_read_is_named_at_once(tmp_path: Path, noise_dir: Path) -> None:
    (noise_dir / "broken.wav").write_bytes(b"no sound")
    with pytest.raises(UserError, match=r"broken\.wav"):
        only(tmp_path, "noise", noise_dir=str(noise_dir))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no audio files"):
        only(tmp_path, "noise", noise_dir=str(tmp_path / "empty"))
    # Without noise in use, nobody needs the folder.
    assert only(tmp_path, "noise", prob=0.0, noise_dir="none").steps


def test_sources_may_have_steps_of_their_own(tmp_path: Path) -> None:
    loud = [{"type": "volume", "prob": 1.0, "params": {"min_gain_dBFS": 6, "max_gain_dBFS": 6}}]
    path = tmp_path / "augmentation.json"
    for overrides in ({"far": loud}, [{"data_source": ["far"], "augmentations": loud}]):
        path.write_text(json.dumps({"default": [], "overrides": overrides}), "utf-8")
        both = Augmenter.from_file(path)
        assert np.array_equal(both.of("near").waveform(tone(), None, rng())[0], tone())
        changed = both.of("far").waveform(tone(level=0.1), None, rng())[0]
        assert np.abs(changed).max() == pytest.approx(0.1 * 10 ** (6 / 20), rel=1e-3)


def test_a_measured_room_is_heard_from_its_direct_sound(tmp_path: Path) -> None:
    response = np.zeros(1600, np.float32)
    response[[100, 900]] = (0.8, 0.4)  # late by 100 samples, with an echo 50 ms after
    soundfile.write(tmp_path / "room.wav", response, RATE)
    click = np.zeros(RATE, np.float32)
    click[2000] = 0.5
    heard, _ = only(tmp_path, "reverb", rir_dir=str(tmp_path)).waveform(click, None, rng())
    assert np.flatnonzero(np.abs(heard) > 0.01).tolist() == [2000, 2800]
    assert heard[2800] / heard[2000] == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("folder", ["nowhere", "9" * 5000])
def test_a_folder_that_is_not_there_is_told_with_its_file_and_step(
    tmp_path: Path, folder: str
) -> None:
    with pytest.raises(UserError, match=r"augmentation\.json.*\(noise\): there is no folder"):
        only(tmp_path, "noise", noise_dir=folder)
