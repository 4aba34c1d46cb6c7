"""Models that the formats' tests convert."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import convert
from utils.cli.errors import run_script
from utils.export.web_runtime import TRANSFORMERS, VERSION


@pytest.fixture(scope="session")
def official_words(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model under OpenAI's words: the same tokens, which then spell other texts."""
    pytest.importorskip("whisper")
    from whisper.tokenizer import get_encoding

    from utils.export.words import byte_of_sign

    folder = tmp_path_factory.mktemp("models") / "official"
    shutil.copytree(demo_model, folder)
    encoding = get_encoding("multilingual")
    signs = {byte: sign for sign, byte in byte_of_sign().items()}
    words = {
        "".join(signs[byte] for byte in encoding.decode_single_token_bytes(number)): number
        for number in range(50257)
    }
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["model"].update(vocab=words, merges=[])  # nothing is spelled here, only decoded
    path.write_text(json.dumps(content), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(words), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def convert_to(demo_model: Path) -> Callable[..., int]:
    """`convert.py` with flags and clips that the demo's model knows; returns the exit code."""
    data = f"--data={demo_model.parent / 'zh' / 'test.jsonl'}"
    return lambda *flags: run_script(lambda _: convert.main([data, *flags]))


@pytest.fixture(scope="session")
def with_added_words(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model with two words and Cantonese as tokens of their own."""
    from utils.model.folders import save_model
    from utils.model.load import load_model
    from utils.model.new_tokens import add_tokens

    grown = add_tokens(load_model(str(demo_model)), ["<|yue|>", "blorptastic", "麤龘"])
    folder = tmp_path_factory.mktemp("models") / "grown"
    save_model(grown.model, grown.processor, folder, grown.audio_context)
    return folder


@pytest.fixture(scope="session")
def english_only(official_words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's weights in the layout of `.en` models: special tokens one lower, other words."""
    from safetensors.torch import load_file, save_file
    from whisper.tokenizer import get_encoding

    from utils.export.words import byte_of_sign

    folder = tmp_path_factory.mktemp("models") / "tiny.en"
    shutil.copytree(official_words, folder)
    encoding = get_encoding("gpt2")
    signs = {byte: sign for sign, byte in byte_of_sign().items()}
    words = {
        "".join(signs[byte] for byte in encoding.decode_single_token_bytes(number)): number
        for number in range(50256)
    }
    tokenizer = _read(folder / "tokenizer.json")
    tokenizer["model"].update(vocab=words, merges=[])
    for token in tokenizer["added_tokens"]:
        token["id"] -= 1
    _write(folder / "tokenizer.json", tokenizer)
    _write(folder / "vocab.json", words)
    lower = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 50256)
    lower["decoder_start_token_id"] = 50257
    begin = {"begin_suppress_tokens": [220, 50256]}
    config = _read(folder / "config.json") | lower | begin | {"vocab_size": 51864}
    _write(folder / "config.json", config)
    settings = _read(folder / "generation_config.json") | lower | begin
    settings |= {"is_multilingual": False, "no_timestamps_token_id": 50362, "max_length": 24}
    settings["suppress_tokens"] = [token - 1 for token in settings["suppress_tokens"]]
    for name in ("lang_to_id", "task_to_id", "prev_sot_token_id"):
        settings.pop(name, None)
    _write(folder / "generation_config.json", settings)
    weights = load_file(folder / "model.safetensors")
    for name, table in weights.items():
        if table.shape[0] == 51865:
            weights[name] = table[[n for n in range(51865) if n != 50256]].contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"):
        (folder / name).unlink()
    return folder


@pytest.fixture(scope="session")
def like_large_v3(official_words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's weights in the layout of large-v3: 128 mel bins, Cantonese among the languages."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("models") / "v3"
    shutil.copytree(official_words, folder)
    cantonese = 50358
    tokenizer = _read(folder / "tokenizer.json")
    for token in tokenizer["added_tokens"]:
        token["id"] += token["id"] >= cantonese
    template = next(t for t in tokenizer["added_tokens"] if t["content"] == "<|su|>")
    tokenizer["added_tokens"].append({**template, "id": cantonese, "content": "<|yue|>"})
    tokenizer["added_tokens"].sort(key=lambda token: token["id"])
    _write(folder / "tokenizer.json", tokenizer)
    config = _read(folder / "config.json") | {"vocab_size": 51866, "num_mel_bins": 128}
    _write(folder / "config.json", config)
    features = _read(folder / "preprocessor_config.json") | {"feature_size": 128}
    _write(folder / "preprocessor_config.json", features)
    settings = _read(folder / "generation_config.json") | {"no_timestamps_token_id": 50364}
    settings["lang_to_id"]["<|yue|>"] = cantonese
    settings["task_to_id"] = {"transcribe": 50360, "translate": 50359}
    settings["suppress_tokens"] = [50258, *range(50359, 50364)]
    settings["max_length"] = 24
    settings.pop("prev_sot_token_id")
    _write(folder / "generation_config.json", settings)
    weights = load_file(folder / "model.safetensors")
    for name, table in weights.items():
        if table.shape[0] == 51865:
            row = table[50259:cantonese].mean(0, keepdim=True)
            weights[name] = torch.cat([table[:cantonese], row, table[cantonese:]])
        if name.endswith("conv1.weight"):
            generator = torch.Generator().manual_seed(0)
            weights[name] = 0.05 * torch.randn(len(table), 128, 3, generator=generator)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"):
        (folder / name).unlink()
    return folder


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """transformers.js and what it needs, from npm; skips where that cannot be."""
    package = f"{TRANSFORMERS}@{VERSION}"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no Node and npm")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {package} in time")
    if done.returncode:
        pytest.skip(f"npm could not install {package}: {done.stderr[-200:]}")
    return folder / "node_modules"
