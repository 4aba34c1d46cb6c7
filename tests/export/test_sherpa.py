"""sherpa-onnx loads what --format=sherpa writes, and its graphs compute what torch computes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from utils.audio.load import load_audio
from utils.manifest.read import read_manifest
from utils.model.load import load_model

pytest.importorskip("onnxruntime")
sherpa_onnx = pytest.importorskip("sherpa_onnx")

HIDDEN = -1e8


def transcribed(folder: Path, clip) -> str:
    recognizer = sherpa_onnx.OfflineRecognizer.from_whisper(
        encoder=str(folder / "encoder.onnx"),
        decoder=str(folder / "decoder.onnx"),
        tokens=str(folder / "tokens.txt"),
        language="zh",
        tail_paddings=3000,
    )
    stream = recognizer.create_stream()
    stream.accept_waveform(16_000, load_audio(clip.audio))
    recognizer.decode_stream(stream)
    return stream.result.text.strip()


def test_the_folder_is_transcribed_by_the_program(demo_model, convert_to, tmp_path):
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=2"]
    assert convert_to(*flags, "--format=sherpa") == 0
    folder = tmp_path / "base-sherpa"
    parity = json.loads((folder / "conversion.json").read_text(encoding="utf-8"))["parity"]
    assert parity["equal"] + len(parity["differing"]) == 2
    clip = next(iter(read_manifest(demo_model.parent / "zh" / "test.jsonl")))
    said = {name: now for name, _, now in parity["differing"]}
    from utils.export.parity import Original, ask, suppressed_by

    loaded = load_model(str(demo_model))
    (question,) = ask(loaded, [clip])
    expected = Original(loaded).answer(question, *suppressed_by(loaded)).ids
    text = said.get(clip.id, loaded.label_encoder().decode(expected))
    assert transcribed(folder, clip) == text


def test_the_graphs_equal_one_pass_of_the_model(tiny_model, tmp_path):
    import onnxruntime

    from utils.export.sherpa import files_of, write

    loaded = load_model(str(tiny_model))
    whisper, config = loaded.whisper, loaded.whisper.config
    write(loaded, tmp_path, "float32")
    encoder, decoder = (
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        for path in files_of(tmp_path, "float32")
    )
    features = torch.randn(1, 80, 1400, generator=torch.Generator().manual_seed(0))  # cut to 14 s
    ids = torch.tensor([[50258, 50260, 50359, 50363, 5, 7]])
    with torch.no_grad():
        expected = whisper(input_features=features, decoder_input_ids=ids).logits.numpy()
    keys, values = encoder.run(None, {"mel": features.numpy()})
    shape = (config.decoder_layers, 1, config.max_target_positions, config.d_model)
    kept = [np.zeros(shape, np.float32), np.zeros(shape, np.float32)]
    found = []
    for begin, end in ((0, 4), (4, 5), (5, 6)):
        given = {"tokens": ids[:, begin:end].numpy(), "offset": np.array([begin])}
        given |= {"n_layer_cross_k": keys, "n_layer_cross_v": values}
        given |= dict(
            zip(("in_n_layer_self_k_cache", "in_n_layer_self_v_cache"), kept, strict=True)
        )
        logits, *kept = decoder.run(None, given)
        found.append(logits)
    logits = np.concatenate(found, 1)
    never = list(whisper.generation_config.suppress_tokens)
    first = list(whisper.generation_config.begin_suppress_tokens)
    assert (logits[..., never] < HIDDEN).all()
    assert (logits[:, :4, first] < HIDDEN).all()
    assert (logits[:, 4:, first] > HIDDEN).all()
    shown = logits > HIDDEN
    np.testing.assert_allclose(logits[shown], expected[shown], atol=1e-4)


def test_added_words_and_languages_stand_in_the_files(with_added_words, tmp_path):
    from utils.export.sherpa import TOKENS, metadata, words_of, write_tokens

    loaded = load_model(str(with_added_words))
    write_tokens(tmp_path / TOKENS, words_of(loaded))
    lines = (line.split() for line in (tmp_path / TOKENS).read_text().splitlines())
    words = {int(number): base64.b64decode(word) for word, number in lines}
    ids = loaded.processor.tokenizer.get_vocab()
    for text in (" blorptastic", "麤龘"):
        assert words[ids[text]] == text.encode()
    facts = metadata(loaded)
    assert str(ids["<|yue|>"]) in facts["all_language_tokens"].split(",")
    assert "yue" in facts["all_language_codes"].split(",")
    assert int(facts["n_vocab"]) > max(words)
