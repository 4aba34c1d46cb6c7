"""Transcription says what the stock model says, for every utterance, in order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from utils.audio.clip import AudioRef
from utils.audio.features import pad_samples
from utils.audio.load import load_audio
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.load import load_model
from utils.model.loaded import LoadedModel
from utils.transcription.engines.registry import Search
from utils.transcription.engines.transformers import TransformersEngine
from utils.transcription.transcribe import Decoding, transcribe

SHORT = Decoding(max_new_tokens=12, audio_context="full", batch_size=4)


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> LoadedModel:
    return load_model(str(tiny_model))


@pytest.fixture(scope="module")
def utterances(speech_manifest: Path) -> list[Utterance]:
    return list(read_manifest(speech_manifest))


def test_text_equals_the_stock_generates(loaded: LoadedModel, utterances: list[Utterance]) -> None:
    chinese = [u for u in utterances if u.language == "zh"]
    samples = [load_audio(u.audio) for u in chinese]
    features = loaded.log_mel(pad_samples(samples, 3000))
    ids = loaded.model.generate(
        features, language="zh", task="transcribe", max_new_tokens=8, do_sample=False
    )
    text = loaded.processor.batch_decode(ids, skip_special_tokens=True)
    found = transcribe(
        loaded, chinese, replace(SHORT, max_new_tokens=8, batch_size=16, temperature_fallback=False)
    )
    assert [p.hypothesis for p in found] == [t.strip() for t in text]


@pytest.mark.parametrize("timestamps", [False, True])
def test_greedy_search_equals_the_librarys(
    loaded: LoadedModel, utterances: list[Utterance], timestamps: bool
) -> None:
    engine = TransformersEngine(loaded)
    samples = [load_audio(u.audio) for u in utterances[:4]]
    states = engine.encode(loaded.log_mel(pad_samples(samples, 400)))
    prompt = engine.tokens.prompt("en", timestamps=timestamps)
    prompts = torch.tensor([prompt] * 4)
    search = Search(12, timestamps=timestamps)
    ours = engine.generate(states, prompts, search)
    rule = engine._timestamp_rule(len(prompt)) if timestamps else None
    theirs = engine._beam_search(states, prompts, search, rule)
    assert [each.ids for each in ours] == [tuple(ids) for ids, *_ in theirs]


def test_order_and_batch_size_do_not_change_the_text(
    loaded: LoadedModel, utterances: list[Utterance]
) -> None:
    forward = transcribe(loaded, utterances, SHORT)
    backward = transcribe(loaded, utterances[::-1], replace(SHORT, batch_size=2))
    assert [p.id for p in forward] == [u.id for u in utterances]
    assert {p.id: p.hypothesis for p in forward} == {p.id: p.hypothesis for p in backward}


def test_each_utterance_is_asked_for_in_its_own_language(
    loaded: LoadedModel, utterances: list[Utterance]
) -> None:
    found = transcribe(loaded, utterances, replace(SHORT, language="fr"))
    assert [p.language for p in found] == [u.language for u in utterances]


def test_an_unknown_language_is_detected(loaded: LoadedModel, utterances: list[Utterance]) -> None:
    nameless = [replace(u, language=None) for u in utterances[:3]]
    found = transcribe(loaded, nameless, SHORT)
    assert all(f"<|{p.language}|>" in loaded.whisper.generation_config.lang_to_id for p in found)


def test_a_file_that_cannot_be_read_is_failed_not_dropped(
    loaded: LoadedModel, utterances: list[Utterance], tmp_path: Path
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    broken = replace(utterances[1], id="broken", audio=AudioRef(str(tmp_path / "broken.wav")))
    found = transcribe(loaded, [utterances[0], broken, utterances[2]], SHORT)
    assert [(p.id, p.status) for p in found] == [
        (utterances[0].id, "ok"),
        ("broken", "failed"),
        (utterances[2].id, "ok"),
    ]
    assert found[1].hypothesis == ""


def test_segments_lie_within_the_clip_in_order(
    loaded: LoadedModel, utterances: list[Utterance]
) -> None:
    found = transcribe(loaded, utterances, replace(SHORT, timestamps=True))
    for prediction in found:
        times = [t for s in prediction.segments for t in (s.start, s.end)]
        assert times == sorted(times)
