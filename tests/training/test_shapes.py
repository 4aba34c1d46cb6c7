"""Every shape of Whisper trains: v3's 128 mels and shifted ids, .en, distil and turbo."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperProcessor

import finetune
import merge_lora
from utils.audio.clip import AudioRef
from utils.manifest.utterance import Utterance
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.folders import save_model
from utils.model.load import load_model

SHAPES: dict[str, dict[str, Any]] = {
    "v3": {"layout": "v3", "mels": 128, "decoder_layers": 2},
    "turbo": {"layout": "v3", "mels": 128, "decoder_layers": 1},
    "distil": {"layout": "v2", "mels": 80, "decoder_layers": 1},
    "en": {"layout": "en", "mels": 80, "decoder_layers": 2},
}
PROMPTS = {
    "v2": [50258, 50259, 50359, 50363],
    "v3": [50258, 50259, 50360, 50364],  # one more language before the tasks
    "en": [50257, 50362],  # one text id fewer, and neither language nor task
}


def lay_out(folder: Path, layout: str) -> None:
    """Give a tokenizer folder of the demo the ids of another generation of Whisper."""
    for name in ("vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    begin, step = (50358, 1) if layout == "v3" else (50257, -1)
    added = tokenizer["added_tokens"]
    for token in added:
        token["id"] += step if token["id"] >= begin else 0
    if layout == "v3":
        language = next(token for token in added if token["content"] == "<|su|>")
        added.append({**language, "content": "<|yue|>", "id": 50358})
        added.sort(key=lambda token: token["id"])
        config["additional_special_tokens"].append("<|yue|>")
    else:  # the last text id of the demo is a placeholder
        vocabulary = tokenizer["model"]["vocab"]
        tokenizer["model"]["vocab"] = {t: n for t, n in vocabulary.items() if n < 50256}
    special = tokenizer["post_processor"]["special_tokens"]
    ids = {token["content"]: token["id"] for token in added}
    for name, entry in special.items():
        entry["ids"] = [ids[name]]
    fields = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    config["added_tokens_decoder"] = {
        str(token["id"]): {field: token[field] for field in fields} for token in added
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")


@pytest.fixture(params=SHAPES)
def shaped(request: pytest.FixtureRequest, demo_model: Path, tmp_path: Path) -> tuple[str, Path]:
    """A small random Whisper of one shape."""
    shape = SHAPES[request.param]
    source = shutil.copytree(demo_model, tmp_path / "source")
    if shape["layout"] != "v2":
        lay_out(source, shape["layout"])
    tokenizer = WhisperProcessor.from_pretrained(source).tokenizer
    ids = tokenizer.get_vocab()
    extractor = WhisperFeatureExtractor(feature_size=shape["mels"])
    config = WhisperConfig.from_pretrained(demo_model)
    config.update({"d_model": 32, "encoder_layers": 2, "decoder_layers": shape["decoder_layers"]})
    config.update({"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_mel_bins": shape["mels"]})
    config.vocab_size = len(tokenizer)
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config.update({"eos_token_id": end, "bos_token_id": end, "pad_token_id": end})
    config.update({"decoder_start_token_id": start, "begin_suppress_tokens": None})
    model = FlexibleWhisper(config)
    is_multilingual = shape["layout"] != "en"
    model.generation_config = GenerationConfig(
        eos_token_id=end,
        bos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
        max_length=24,
    )
    model.generation_config.is_multilingual = is_multilingual
    folder = tmp_path / request.param
    save_model(model, WhisperProcessor(extractor, tokenizer), folder, "mixed")
    return request.param, folder


def test_it_trains_and_merges(
    shaped: tuple[str, Path], speech_manifest: Path, tmp_path: Path
) -> None:
    name, folder = shaped
    loaded = load_model(str(folder))
    encoder = loaded.label_encoder(language="en", timestamps=True)
    assert encoder.prompt("en") == PROMPTS[SHAPES[name]["layout"]]
    assert encoder.last_timestamp == loaded.whisper.config.vocab_size - 1
    no_speech = encoder.encode(Utterance(AudioRef("a.wav"), "", id="a", sentences=()))
    assert encoder.end in no_speech.labels
    settings = {
        "base_model": folder,
        "train_data": speech_manifest,
        "dev_data": speech_manifest,
        "output_dir": tmp_path / "output",
        "max_steps": 1,
        "num_workers": 0,
        "eval_on_start": False,
        "timestamps": True,
        "concat": True,
    }
    finetune.main([f"--{flag}={value}" for flag, value in settings.items()])
    best = tmp_path / "output" / name / "checkpoint-best"
    merge_lora.main([f"--lora_model={best}", f"--output_dir={tmp_path / 'models'}"])
    merged = load_model(str(tmp_path / "models" / f"{name}-finetune"))
    assert merged.whisper.config.num_mel_bins == SHAPES[name]["mels"]
    assert merged.label_encoder().prompt("en") == PROMPTS[SHAPES[name]["layout"]]
    assert all(torch.isfinite(weight).all() for weight in merged.model.state_dict().values())
