"""English-only models: another vocabulary, and prompts without language and task."""

from __future__ import annotations

import json

import pytest

from utils.model.load import load_model

pytest.importorskip("whisper")


def test_the_fixture_is_an_english_model(english_only):
    loaded = load_model(str(english_only))
    assert not loaded.multilingual
    encoder = loaded.label_encoder()
    assert (encoder.end, encoder.last_timestamp) == (50_256, 51_863)


@pytest.mark.parametrize(
    ("form", "quantization"), [("openai", "float32"), ("onnx", "float32"), ("ct2", "float32")]
)
def test_every_token_is_equal(form, quantization, english_only, convert_to, tmp_path):
    flags = [f"--model_path={english_only}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, f"--format={form}", f"--quantization={quantization}") == 0
    folder = tmp_path / f"tiny.en-{form}-{quantization}"
    parity = json.loads((folder / "conversion.json").read_text())["parity"]
    assert parity["equal"] == parity["clips"] == 1


def test_whisper_cpp_transcribes_it(english_only, tmp_path):
    pytest.importorskip("pywhispercpp")
    import numpy as np

    from utils.export.ggml import FILE, run_child, write

    write(load_model(str(english_only)), tmp_path, "f16")
    samples = tmp_path / "0.npy"
    np.save(samples, np.zeros(480_000, np.float32))
    task = {"samples": str(samples), "language": "en", "room": 8}
    (answer,) = run_child(tmp_path / FILE, [task])
    assert len(answer["ids"]) <= 8
    assert all(token <= 50_256 for token in answer["ids"])
