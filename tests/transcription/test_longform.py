"""Recordings over 30 s are cut and joined as the library does it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import WhisperFeatureExtractor

from utils.audio.clip import AudioRef
from utils.audio.features import LogMel, pad_samples
from utils.audio.load import load_audio
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import open_engine
from utils.transcription.longform import RecordingFeatures, WindowSegment, cut_at_timestamps
from utils.transcription.transcribe import transcribe_with_engine

T = 1000  # id of <|0.00|>


@pytest.mark.parametrize(
    ("ids", "segments", "step"),
    [
        # Two complete sentences and the beginning of a third, which the next window hears again.
        (
            [T, 1, 2, T + 50, T + 60, 3, T + 100, T + 100, 4],
            [
                WindowSegment(0, 1.0, (T, 1, 2, T + 50)),
                WindowSegment(1.2, 2.0, (T + 60, 3, T + 100)),
            ],
            200,
        ),
        # One timestamp at the end: nothing follows, the whole window is done.
        (
            [T, 1, T + 50, T + 50, 2, T + 90],
            [WindowSegment(0, 1.0, (T, 1, T + 50)), WindowSegment(1.0, 1.8, (T + 50, 2, T + 90))],
            3000,
        ),
        ([T, 1, 2, T + 70], [WindowSegment(0, 1.4, (T, 1, 2, T + 70))], 3000),
        ([1, 2], [WindowSegment(0, 30.0, (1, 2))], 3000),
        ([], [WindowSegment(0, 30.0, ())], 3000),
        # A model that stands still is moved on.
        ([T, T], [WindowSegment(0, 0, (T,))], 3000),
    ],
)
def test_windows_are_cut_where_sentences_end(ids, segments, step):
    found, frames = cut_at_timestamps(ids, 3000, T)
    assert frames == step
    assert [(p.ids, pytest.approx(p.start), pytest.approx(p.end)) for p in found] == [
        (p.ids, p.start, p.end) for p in segments
    ]


@pytest.mark.parametrize("length", [30 * 16_000, 61 * 16_000 + 77])
def test_windows_are_slices_of_the_whole_recordings_features(length):
    samples = np.random.default_rng(0).normal(0, 0.1, length).astype(np.float32)
    samples[length // 2] = 0.9
    log_mel = LogMel(WhisperFeatureExtractor().mel_filters)
    frames = -(-length // 160)
    whole = log_mel(pad_samples([samples], frames))[0]
    features = RecordingFeatures(log_mel, samples)
    assert features.num_frames == frames
    for begin in (0, 2, 1501, frames - 100, frames - 1):
        window = features.window(begin, 3000)
        expected = whole[:, begin : begin + 3000]
        assert window.shape == (80, 3000)
        torch.testing.assert_close(window[:, : expected.shape[1]], expected, atol=1e-5, rtol=0)
        assert not window[:, expected.shape[1] :].any()


@pytest.fixture(scope="module")
def recordings(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Two recordings of 60 and 40 s, made of the demo's clips, and one that fits a window."""
    folder = tmp_path_factory.mktemp("long")
    clips = list(read_manifest(demo_model.parent / "zh" / "test.jsonl"))
    samples = np.concatenate([load_audio(clip.audio) for clip in clips])
    found = []
    for name, begin, seconds in (("longest", 0, 60), ("long", 5, 40), ("short", 9, 4)):
        path = folder / f"{name}.flac"
        soundfile.write(path, samples[begin * 16_000 :][: seconds * 16_000], 16_000)
        found.append(Utterance(AudioRef(str(path)), "", name, language="zh"))
    return found


# So untrained on long recordings, the model often says something until it may say no more.
FEW_TOKENS = 80


@pytest.mark.parametrize(("number", "most_tokens"), [(0, None), (1, FEW_TOKENS)])
def test_text_equals_the_stock_long_form(demo_model, recordings, number, most_tokens):
    engine, recording = open_engine(str(demo_model)), recordings[number]
    decoding = Decoding(
        audio_context="full",
        timestamps=True,
        max_new_tokens=most_tokens,
        temperature_fallback=False,
    )
    (prediction,) = transcribe_with_engine(lambda: engine, [recording], decoding).predictions
    features = engine.loaded.processor(
        load_audio(recording.audio),
        sampling_rate=16_000,
        return_tensors="pt",
        truncation=False,
        padding="longest",
    ).input_features
    limit = {} if most_tokens is None else {"max_new_tokens": most_tokens}
    stock = copy.deepcopy(engine.loaded.model).generate(
        features,
        language="zh",
        task="transcribe",
        return_timestamps=True,
        return_segments=True,
        **limit,
    )
    ids = torch.cat([segment["tokens"] for segment in stock["segments"][0]]).tolist()
    assert prediction.hypothesis == engine.label_encoder("zh", "transcribe").decode(ids)
    assert prediction.hypothesis
    ends = [s.end for s in prediction.segments]
    assert len(ends) > 1
    assert ends == sorted(ends)
    assert ends[-1] <= prediction.audio_seconds + 0.01


def test_long_and_short_ones_share_a_batch(demo_model, recordings):
    engine = open_engine(str(demo_model))
    decoding = Decoding(audio_context="full", max_new_tokens=FEW_TOKENS)
    together = transcribe_with_engine(lambda: engine, recordings, decoding).predictions
    alone = [
        transcribe_with_engine(lambda: engine, [each], decoding).predictions[0]
        for each in recordings
    ]
    assert [p.hypothesis for p in together] == [p.hypothesis for p in alone]
    assert [round(p.audio_seconds) for p in together] == [60, 40, 4]


def test_engines_agree_on_long_recordings(demo_model, ct2_model, recordings):
    decoding = Decoding(timestamps=True, max_new_tokens=FEW_TOKENS, temperature_fallback=False)
    ours, theirs = (
        transcribe_with_engine(
            lambda p=path: open_engine(str(p)), recordings[:2], decoding
        ).predictions
        for path in (demo_model, ct2_model)
    )
    assert [replace(p, work_seconds=0) for p in ours] == [
        replace(p, work_seconds=0) for p in theirs
    ]
