"""ONNX folders in every layout transcribe as the model that they were made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from utils.audio.features import pad_samples
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.load import load_model
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import (
    ENGINES,
    Compute,
    Engine,
    Search,
    engine_kind,
    open_engine,
)
from utils.transcription.transcribe import transcribe_with_engine

onnx = pytest.importorskip("onnx", reason="onnx is an extra")
pytest.importorskip("onnxruntime", reason="onnxruntime is an extra")


@pytest.fixture(scope="module")
def folder(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model as `convert.py --format=onnx` writes it."""
    from utils.export.onnx import write

    target = tmp_path_factory.mktemp("onnx") / "base-onnx"
    target.mkdir()
    write(load_model(str(demo_model)), target, "float32")
    return target


@pytest.fixture(scope="module")
def utterances(demo_model: Path) -> list[Utterance]:
    return [
        each
        for language in ("zh", "en")
        for each in list(read_manifest(demo_model.parent / language / "test.jsonl"))[:2]
    ]


def said(engine: Engine, utterances: list[Utterance], **options: object) -> list[object]:
    decoding = Decoding(batch_size=4, audio_context="full", **options)  # type: ignore[arg-type]
    found = transcribe_with_engine(lambda: engine, utterances, decoding, desc=None).predictions
    return [(each.hypothesis, each.segments, each.language) for each in found]


@pytest.mark.parametrize("options", [{}, {"timestamps": True, "language": "zh"}])
def test_texts_times_and_languages_are_those_of_the_model(folder, demo_model, utterances, options):
    assert engine_kind(str(folder)) is ENGINES["onnx"]
    ours, theirs = open_engine(str(folder)), open_engine(str(demo_model))
    assert said(ours, utterances, **options) == said(theirs, utterances, **options)


def test_confidence_sampling_and_rows_are_those_of_the_model(folder, demo_model, utterances):
    found = []
    for engine in (open_engine(str(folder)), open_engine(str(demo_model))):
        features = engine.log_mel(pad_samples([load_audio(u.audio) for u in utterances], 3000))
        states = engine.select(engine.encode(features), [2, 0])
        prompts = torch.tensor([engine.label_encoder("en", "transcribe").prompt()] * 2)
        search = Search(20, confidence=True, temperature=0.7, seed=3, best_of=2)
        found.append(engine.generate(states, prompts, search))
    for ours, theirs in zip(*found, strict=True):
        assert ours.ids == theirs.ids
        assert ours.mean_logprob == pytest.approx(theirs.mean_logprob, abs=1e-4)
        assert ours.no_speech == pytest.approx(theirs.no_speech, abs=1e-5)


def test_the_layouts_of_optimum_are_read(folder, utterances, tmp_path):
    """Two decoders, the later of which gives nothing new of the sound; or one with a switch."""
    expected = said(open_engine(str(folder)), utterances)
    pair, switch = tmp_path / "pair", tmp_path / "switch"
    for target in (pair, switch):
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns("onnx"))
        shutil.copy(folder / "onnx" / "encoder_model.onnx", target)
    merged = onnx.load(folder / "onnx" / "decoder_model_merged.onnx")
    with_switch = onnx.ModelProto()
    with_switch.CopyFrom(merged)
    kind = onnx.helper.make_tensor_value_info("use_cache_branch", onnx.TensorProto.BOOL, [1])
    with_switch.graph.input.append(kind)
    onnx.save(with_switch, switch / "decoder_model_merged.onnx")
    assert said(open_engine(str(switch)), utterances) == expected

    first, graph = onnx.ModelProto(), merged.graph
    first.CopyFrom(merged)
    pasts = [each for each in graph.input if each.name.startswith("past_")]
    for each in pasts:
        sizes = [part.dim_value for part in each.type.tensor_type.shape.dim]
        empty = onnx.helper.make_tensor(each.name, 1, [0, sizes[1], 0, sizes[3]], [])
        first.graph.initializer.append(empty)
    kept = [each for each in graph.input if not each.name.startswith("past_")]
    del first.graph.input[:]
    first.graph.input.extend(kept)
    outputs = [each for each in graph.output if ".encoder." not in each.name]
    later = onnx.ModelProto()
    later.CopyFrom(merged)
    del later.graph.output[:]
    later.graph.output.extend(outputs)
    onnx.save(first, pair / "decoder_model.onnx")
    with pytest.raises(UserError, match=r"lacks decoder_model_merged\.onnx"):
        open_engine(str(pair))
    onnx.save(later, pair / "decoder_with_past_model.onnx")
    assert said(open_engine(str(pair)), utterances) == expected


def test_what_is_missing_damaged_or_asked_in_vain_is_one_sentence(folder, utterances, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "tokenizer.json").rename(copy / "aside")
    with pytest.raises(UserError, match=r"lacks tokenizer\.json"):
        open_engine(str(copy))
    (copy / "aside").rename(copy / "tokenizer.json")
    graph = copy / "onnx" / "encoder_model.onnx"
    graph.write_bytes(graph.read_bytes()[:5000])
    with pytest.raises(UserError, match="could not be loaded as an ONNX model"):
        open_engine(str(copy))
    graph.rename(graph.with_name("encoder_model_quantized.onnx"))
    with pytest.raises(UserError, match="could not be loaded as an ONNX model"):
        open_engine(str(copy), compute=Compute(int8=True))
    (copy / "onnx" / "encoder_model_quantized.onnx").unlink()
    with pytest.raises(UserError, match=r"lacks encoder_model\.onnx"):
        open_engine(str(copy))
    with pytest.raises(UserError, match="there is no folder"):
        open_engine("no/such", name="onnx")
    engine = open_engine(str(folder))
    with pytest.raises(UserError, match="windows of 30 s"):
        transcribe_with_engine(
            lambda: engine, utterances, Decoding(audio_context="dynamic"), desc=None
        )
