"""OpenAI's real whisper-base says the same of real speech in every program's form."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

for library in ("ctranslate2", "pywhispercpp", "onnxruntime", "sherpa_onnx", "whisper"):
    pytest.importorskip(library)

pytestmark = [pytest.mark.requires_shared, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def original(shared: Path):
    """The model as it is, which encodes the clip once for all forms."""
    from utils.export.parity import Original
    from utils.model.load import load_model

    return Original(load_model(str(shared / "models" / "whisper-base")), keep=True)


@pytest.mark.parametrize(
    ("form", "quantization"),
    [
        *(("ct2", "float32"), ("openai", "float16"), ("ggml", "f16"), ("onnx", "float16")),
        ("sherpa", "float16"),
    ],
)
def test_jfk_is_transcribed_word_for_word(form, quantization, original, shared, tmp_path):
    from utils.export.formats import find_format
    from utils.export.parity import summarize, transcribe_both
    from utils.manifest.read import read_manifest

    clip = next(iter(read_manifest(shared / "data" / "en_single" / "all.jsonl")))
    module = importlib.import_module(find_format(form, quantization)[0].module)
    loaded = original.engine.loaded
    module.write(loaded, tmp_path, quantization)
    reader = module.read(loaded, tmp_path, quantization)
    parity = summarize(list(transcribe_both(original, reader, [clip])))
    assert parity.differing == ()
    assert (parity.largest_logit_difference or 0.0) < 0.5
