"""OpenAI's real whisper-base says the same of real speech in every program's form."""

from __future__ import annotations

import json

import pytest

for library in ("ctranslate2", "pywhispercpp", "onnxruntime", "whisper"):
    pytest.importorskip(library)

pytestmark = [pytest.mark.requires_shared, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("form", "quantization"),
    [("ct2", "float32"), ("openai", "float16"), ("ggml", "f16"), ("onnx", "float16")],
)
def test_jfk_is_transcribed_word_for_word(form, quantization, shared, convert_to, tmp_path):
    model = shared / "models" / "whisper-base"
    data = f"--data={shared / 'data' / 'en_single' / 'all.jsonl'}"
    flags = [f"--model_path={model}", f"--output_dir={tmp_path}", "--clips=1", data]
    assert convert_to(*flags, f"--format={form}", f"--quantization={quantization}") == 0
    folder = tmp_path / f"whisper-base-{form}-{quantization}"
    parity = json.loads((folder / "conversion.json").read_text())["parity"]
    assert parity["equal"] == parity["clips"] == 1
    assert parity["largest_logit_difference"] < 0.5
