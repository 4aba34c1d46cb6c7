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
DTYPES = {"float32": "fp32", "float16": "fp16", "int8": "q8"}
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
