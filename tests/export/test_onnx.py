"""ONNX graphs compute what torch computes, for any batch, step and form of weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from utils.model.load import load_model

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def parity_of(folder: Path) -> dict:
    return json.loads((folder / "conversion.json").read_text(encoding="utf-8"))["parity"]


@pytest.fixture(scope="module")
def onnx_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model's folder in float32."""
    from utils.export.onnx import write

    folder = tmp_path_factory.mktemp("converted")
    write(load_model(str(tiny_model)), folder, "float32")
    return folder


def session(folder: Path, name: str):
    import onnxruntime

    return onnxruntime.InferenceSession(
        str(folder / "onnx" / name), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("quantization", ["float32", "float16"])
def test_onnxruntime_says_the_same_tokens(quantization, demo_model, convert_to, tmp_path):
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=2"]
    assert convert_to(*flags, "--format=onnx", f"--quantization={quantization}") == 0
    parity = parity_of(tmp_path / f"base-onnx-{quantization}")
    assert parity["equal"] == parity["clips"] == 2
    assert parity["largest_logit_difference"] < (1e-3 if quantization == "float32" else 0.1)


def test_8_bits_are_a_third_of_the_size_and_say_nearly_the_same(demo_model, convert_to, tmp_path):
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=4"]
    assert convert_to(*flags, "--format=onnx", "--quantization=int8") == 0
    parity = parity_of(tmp_path / "base-onnx-int8")
    assert parity["error_rate"] <= parity["limit"] == 0.1
    graphs = (tmp_path / "base-onnx-int8" / "onnx").iterdir()
    assert sum(path.stat().st_size for path in graphs) < parity["original_bytes"] / 3


def test_the_folder_holds_what_transformers_js_asks_for(onnx_model):
    held = {path.relative_to(onnx_model).as_posix() for path in onnx_model.rglob("*.*")}
    assert held >= {
        *("onnx/encoder_model.onnx", "onnx/decoder_model_merged.onnx", "config.json"),
        *("generation_config.json", "tokenizer.json", "tokenizer_config.json"),
        "preprocessor_config.json",
    }


def test_steps_with_a_cache_equal_one_pass_over_a_batch(onnx_model, tiny_model):
    whisper = load_model(str(tiny_model)).whisper
    config = whisper.config
    features = torch.randn(2, 80, 3000, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[50258, 50260, 50359, 50363, 5], [50258, 50259, 50359, 50363, 7]])
    with torch.no_grad():
        expected = whisper(input_features=features, decoder_input_ids=ids).logits.numpy()
    states = session(onnx_model, "encoder_model.onnx").run(
        None, {"input_features": features.numpy()}
    )[0]
    decoder = session(onnx_model, "decoder_model_merged.onnx")
    past = [given.name for given in decoder.get_inputs() if given.name.startswith("past_")]
    width = config.d_model // config.decoder_attention_heads
    nothing = np.zeros((0, config.decoder_attention_heads, 0, width), np.float32)
    cache, found = dict.fromkeys(past, nothing), []
    for begin, end in ((0, 3), (3, 4), (4, 5)):
        given = {"input_ids": ids[:, begin:end].numpy(), "encoder_hidden_states": states}
        logits, *present = decoder.run(None, {**given, **cache})
        cache = dict(zip(past, present, strict=True))
        found.append(logits)
    np.testing.assert_allclose(np.concatenate(found, 1), expected, atol=1e-4)


def test_a_model_with_another_activation_is_refused(tiny_model, convert_to, tmp_path, capsys):
    import shutil

    other = shutil.copytree(tiny_model, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "activation_function": "relu"}))
    flags = [f"--model_path={other}", f"--output_dir={tmp_path / 'models'}", "--clips=1"]
    for name in ("onnx", "ggml"):
        assert convert_to(*flags, f"--format={name}") == 2
        assert "activation_function 'relu'" in capsys.readouterr().err
    assert list((tmp_path / "models").iterdir()) == []
