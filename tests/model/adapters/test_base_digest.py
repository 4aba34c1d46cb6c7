"""An adapter knows the model that it was trained on, and says so wherever it is put on another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import finetune
import merge_lora
from tests.training.test_run import flags
from utils.cli.errors import UserError
from utils.model.adapters.base_digest import base_digest
from utils.model.load import load_model
from utils.model.new_tokens import add_tokens


def digest_of(folder: Path) -> str | None:
    return base_digest(str(folder), load_model(str(folder)).processor.tokenizer)


def become_another(model: Path) -> None:
    """Give a model other weights of the same shapes, in one layer only."""
    weights = load_file(model / "model.safetensors")
    name = "model.decoder.layers.1.fc2.weight"
    weights[name] = weights[name] + 0.1
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def own_model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model" / "tiny"))


@pytest.fixture
def run(own_model: Path, speech_manifest: Path, tmp_path: Path) -> Path:
    finetune.main(flags(own_model, speech_manifest, tmp_path, max_steps=2))
    return tmp_path / "tiny"


def test_an_adapter_says_what_it_was_trained_on(run: Path, own_model: Path) -> None:
    for name in ("checkpoint-2", "checkpoint-best", "checkpoint-final"):
        said = json.loads((run / name / "base_model.json").read_text())
        assert said == {"schema": 1, "base_sha256": digest_of(own_model)}
        assert load_model(str(run / name)).is_adapter


def test_on_another_model_of_the_same_shape_it_is_refused_everywhere(
    run: Path, own_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    become_another(own_model)
    best = run / "checkpoint-best"
    with pytest.raises(UserError, match="was trained on another base model than"):
        load_model(str(best))
    with pytest.raises(UserError, match="was trained on another base model than"):
        merge_lora.main([f"--lora_model={best}", f"--output_dir={tmp_path / 'merged'}"])
    more = {"max_steps": 4, "allow_changed_settings": True}
    with pytest.raises(UserError, match="was trained on another base model than"):
        finetune.main(flags(own_model, speech_manifest, tmp_path, **more))
    with pytest.raises(UserError, match=r"base model \(SHA-256\): model.safetensors changed"):
        finetune.main(flags(own_model, speech_manifest, tmp_path, max_steps=2))


def test_an_adapter_that_does_not_say_is_taken_as_it_is(run: Path, own_model: Path) -> None:
    become_another(own_model)
    # As other programs write one: without this file, and without checksums.
    for name in ("base_model.json", "checksums.json"):
        (run / "checkpoint-best" / name).unlink()
    assert load_model(str(run / "checkpoint-best")).is_adapter


def test_a_run_cannot_begin_with_an_adapter(
    run: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="is an adapter, not a whole model") as caught:
        finetune.main(flags(run / "checkpoint-best", speech_manifest, tmp_path / "again"))
    assert "merge_lora.py" in str(caught.value.hint)


def test_the_digest_is_of_the_content_alone(tiny_model: Path, tmp_path: Path) -> None:
    loaded = load_model(str(tiny_model))
    tokenizer = loaded.processor.tokenizer
    digest = base_digest(str(tiny_model), tokenizer)
    loaded.model.save_pretrained(tmp_path / "sharded", max_shard_size="2MB")
    assert not (tmp_path / "sharded" / "model.safetensors").exists()
    assert base_digest(str(tmp_path / "sharded"), tokenizer) == digest
    with torch.no_grad():
        loaded.model.model.encoder.layers[0].fc1.weight.mul_(1.01)
    loaded.model.save_pretrained(tmp_path / "other")
    assert base_digest(str(tmp_path / "other"), tokenizer) != digest
    grown = add_tokens(load_model(str(tiny_model)), ["catheter"]).processor.tokenizer
    assert base_digest(str(tiny_model), grown) != digest
    assert base_digest(str(tmp_path), tokenizer) is None
