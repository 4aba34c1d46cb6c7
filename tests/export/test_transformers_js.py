"""transformers.js on Node loads the ONNX folder unchanged and says what the original says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from utils.audio.load import load_audio
from utils.manifest.read import read_manifest

pytest.importorskip("onnxruntime")
DTYPES = {"float32": "fp32", "float16": "fp16", "int8": "q8"}


@pytest.fixture(scope="module")
def transformers_js(node_modules: Path) -> Path:
    """The package's entry for Node."""
    return node_modules / "@huggingface" / "transformers" / "dist" / "transformers.node.mjs"


@pytest.mark.timeout(600)
def test_node_says_the_same(transformers_js, demo_model, tmp_path):
    clip = next(iter(read_manifest(demo_model.parent / "zh" / "test.jsonl")))
    samples = tmp_path / "clip.f32"
    load_audio(clip.audio).tofile(samples)
    folder = tmp_path / "model"
    expected = _said_by_onnxruntime(demo_model, folder, clip)
    script = Path(__file__).with_name("transformers_js.mjs")
    command = [
        "node",
        script,
        transformers_js,
        tmp_path,
        folder.name,
        samples,
        "zh",
        *DTYPES.values(),
    ]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == expected


def _said_by_onnxruntime(demo_model: Path, folder: Path, clip) -> list[str]:
    """Write every form of weights into one folder; returns each one's text."""
    from utils.export.onnx import OnnxReader, write
    from utils.export.parity import ask
    from utils.model.load import load_model

    loaded = load_model(str(demo_model))
    texts = []
    for quantization in DTYPES:
        write(loaded, folder, quantization)
        answer = next(OnnxReader(loaded, folder, quantization).answers(ask(loaded, [clip])))
        texts.append(loaded.label_encoder().decode(answer.ids))
    return texts
