"""transformers.js on Node loads the ONNX folder unchanged and says what the original says."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from utils.audio.load import load_audio
from utils.manifest.read import read_manifest

pytest.importorskip("onnxruntime")
PACKAGE = "@huggingface/transformers@4.3.2"


@pytest.fixture(scope="module")
def transformers_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed for these tests; skips where that cannot be."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no Node and npm")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {PACKAGE} in time")
    if done.returncode:
        pytest.skip(f"npm could not install {PACKAGE}: {done.stderr[-200:]}")
    package = folder / "node_modules" / "@huggingface" / "transformers"
    return package / "dist" / "transformers.node.mjs"


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("quantization", "dtype"), [("float32", "fp32"), ("float16", "fp16"), ("int8", "q8")]
)
def test_node_says_the_same(quantization, dtype, transformers_js, demo_model, convert_to, tmp_path):
    manifest = demo_model.parent / "zh" / "test.jsonl"
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, "--format=onnx", f"--quantization={quantization}") == 0
    clip = next(iter(read_manifest(manifest)))
    samples = tmp_path / "clip.f32"
    load_audio(clip.audio).tofile(samples)
    script = Path(__file__).with_name("transformers_js.mjs")
    name = f"base-onnx-{quantization}"
    command = ["node", script, transformers_js, tmp_path, name, dtype, samples, "zh"]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == _said_by_onnxruntime(
        demo_model, tmp_path / name, quantization, clip
    )


def _said_by_onnxruntime(demo_model, folder, quantization, clip) -> str:
    from utils.export.onnx import OnnxReader
    from utils.export.parity import ask
    from utils.model.load import load_model

    loaded = load_model(str(demo_model))
    reader = OnnxReader(loaded, folder, quantization)
    answer = next(reader.answers(ask(loaded, [clip])))
    return loaded.label_encoder().decode(answer.ids)
