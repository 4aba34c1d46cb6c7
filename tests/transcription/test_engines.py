"""Every engine says what the others say, of the same weights."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from utils.audio.features import pad_samples, window_frames
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.evaluation.compatibility import expect_fit
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.audio_context.contexts import Windows
from utils.model.audio_context.token_merging import MERGE_MARGIN
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import ENGINES, Engine, Search, engine_kind, open_engine
from utils.transcription.transcribe import transcribe_with_engine

GREEDY = Decoding(temperature_fallback=False)


@pytest.fixture(scope="module")
def engines(demo_model: Path, ct2_model: Path) -> tuple[Engine, Engine]:
    return open_engine(str(demo_model)), open_engine(str(ct2_model))


@pytest.fixture(scope="module")
def utterances(demo_model: Path) -> list[Utterance]:
    zh = list(read_manifest(demo_model.parent / "zh" / "test.jsonl"))[:5]
    en = list(read_manifest(demo_model.parent / "en" / "test.jsonl"))[:5]
    return [*zh, *en]


def features_of(engine: Engine, utterances: list[Utterance], frames: int | None) -> torch.Tensor:
    samples = [load_audio(u.audio) for u in utterances]
    return engine.log_mel(pad_samples(samples, frames or window_frames(max(map(len, samples)))))


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("frames", [None, 3000], ids=["dynamic", "full"])
def test_greedy_ids_and_confidence_are_equal(engines, utterances, frames, timestamps):
    found = []
    for engine in engines:
        states = engine.encode(features_of(engine, utterances, frames))
        prompt = engine.label_encoder("zh", "transcribe").prompt(timestamps=timestamps)
        prompts = torch.tensor([prompt] * len(utterances))
        search = Search(100, timestamps=timestamps, confidence=True)
        found.append(engine.generate(states, prompts, search))
    for ours, theirs in zip(*found, strict=True):
        assert ours.ids == theirs.ids
        assert ours.mean_logprob == pytest.approx(theirs.mean_logprob, abs=1e-3)
        assert ours.no_speech == pytest.approx(theirs.no_speech, abs=1e-4)


def test_thinned_silence_gives_the_text_of_30_s(engines, utterances):
    ours, theirs = engines
    texts = {
        context: [
            each.hypothesis
            for each in transcribe_with_engine(
                lambda: ours, utterances, replace(GREEDY, audio_context=context), desc=None
            ).predictions
        ]
        for context in ("full", "thinned", "dynamic")
    }
    assert texts["thinned"] == texts["full"] != texts["dynamic"]
    # A model is decoded with the audio context that it was trained with, or the nearest to it.
    auto = Decoding()
    assert auto.windows("thinned", 0.0, thins=ours.thins) == Windows("thinned", MERGE_MARGIN)
    assert auto.windows("thinned", 0.0, thins=theirs.thins).kind == "full"
    with pytest.raises(UserError, match="says audio_context 'wide'; known are full, thinned"):
        auto.windows("wide", 0.0)
    with pytest.raises(UserError, match=r"ctranslate2 [\d.]+ cannot run with thinned windows"):
        expect_fit(theirs, utterances, Decoding(audio_context="thinned"))


def test_the_detected_languages_are_equal(engines, utterances):
    ours, theirs = (
        engine.detect_languages(engine.encode(features_of(engine, utterances, None)))
        for engine in engines
    )
    assert ours == theirs
    assert len(ours) == len(utterances)


def test_selected_rows_answer_as_they_did_in_the_batch(engines, utterances):
    for engine in engines:
        states = engine.encode(features_of(engine, utterances, None))
        prompt = engine.label_encoder("zh", "transcribe").prompt()
        whole = engine.generate(states, torch.tensor([prompt] * len(utterances)), Search(60))
        some = engine.generate(
            engine.select(states, [4, 1]), torch.tensor([prompt] * 2), Search(60)
        )
        assert [each.ids for each in some] == [whole[4].ids, whole[1].ids]


def test_an_answer_is_cut_off_where_it_was_asked_to_be(engines, utterances):
    for engine in engines:
        states = engine.encode(features_of(engine, utterances, None))
        prompts = torch.tensor([engine.label_encoder("zh", "transcribe").prompt()] * 10)
        found = engine.generate(states, prompts, Search(3))
        assert max(len(each.ids) for each in found) == 3


def test_the_same_seed_draws_the_same_text_and_another_one_another(engines, utterances):
    for engine in engines:
        states = engine.encode(features_of(engine, utterances, None))
        prompts = torch.tensor([engine.label_encoder("zh", "transcribe").prompt()] * 10)
        drawn = [
            engine.generate(states, prompts, Search(20, temperature=1.0, seed=seed))
            for seed in (1, 1, 2)
        ]
        assert drawn[0] == drawn[1] != drawn[2]


def test_sampling_differs_from_the_likeliest_text(engines, utterances):
    for engine in engines:
        states = engine.encode(features_of(engine, utterances, None))
        prompts = torch.tensor([engine.label_encoder("zh", "transcribe").prompt()] * 10)
        drawn = engine.generate(states, prompts, Search(20, temperature=1.0))
        assert drawn != engine.generate(states, prompts, Search(20))


@pytest.mark.parametrize("options", [{}, {"timestamps": True}, {"language": "de"}])
def test_predictions_are_equal(engines, utterances, options):
    decoding = Decoding(batch_size=4, temperature_fallback=False, **options)
    ours, theirs = (
        transcribe_with_engine(lambda e=engine: e, utterances, decoding).predictions
        for engine in engines
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.hypothesis, mine.segments) == (other.hypothesis, other.segments)


def test_a_folder_is_recognised_by_its_files(demo_model, ct2_model):
    assert engine_kind(str(demo_model)) is ENGINES["transformers"]
    assert engine_kind(str(ct2_model)) is ENGINES["ctranslate2"]
    assert engine_kind("openai/whisper-tiny") is ENGINES["transformers"]


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "vocabulary.json"])
def test_what_a_converted_folder_lacks_is_named(ct2_model, tmp_path, name):
    copy = shutil.copytree(ct2_model, tmp_path / "copy")
    (copy / name).unlink()
    with pytest.raises(UserError, match=f"lacks {name}") as caught:
        open_engine(str(copy))
    assert "python convert.py --format=ct2" in caught.value.hint


def test_damaged_weights_are_one_clear_error(ct2_model, tmp_path):
    copy = shutil.copytree(ct2_model, tmp_path / "copy")
    (copy / "model.bin").write_bytes(b"no weights")
    with pytest.raises(UserError, match="could not be loaded as a CTranslate2 model"):
        open_engine(str(copy))
