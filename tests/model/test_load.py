"""A model loads, or one sentence says what is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from utils.cli.errors import UserError
from utils.model.load import load_model, weights_sha256
from utils.model.side_files import SIDE_FILES


@pytest.fixture
def copied(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def test_a_folder_loads_with_its_processor(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model))
    assert (loaded.audio_context, loaded.multilingual, loaded.is_adapter) == ("mixed", True, False)
    assert loaded.log_mel.num_mel_bins == 80


def test_a_saved_folder_holds_all_that_other_programs_read(tiny_model: Path) -> None:
    names = {path.name for path in tiny_model.iterdir()}
    assert {"config.json", "model.safetensors", *SIDE_FILES} <= names
    WhisperForConditionalGeneration.from_pretrained(tiny_model)
    WhisperProcessor.from_pretrained(tiny_model)


def test_weights_have_the_permissions_of_other_files(tiny_model: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in tiny_model.iterdir()}
    assert len(modes) == 1
    assert modes != {0o600}


def test_generation_settings_know_languages_and_timestamps(tiny_model: Path) -> None:
    config = load_model(str(tiny_model)).whisper.generation_config
    assert config.lang_to_id["<|zh|>"] == 50260
    assert config.no_timestamps_token_id == 50363


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config.json", "config.json"),
        ("model.safetensors", "model.safetensors"),
        ("preprocessor_config.json", "preprocessor_config.json"),
    ],
)
def test_a_missing_file_is_named(copied: Path, name: str, said: str) -> None:
    (copied / name).unlink()
    (copied / "processor_config.json").unlink(missing_ok=True)
    with pytest.raises(UserError, match=f"lacks .*{said}") as caught:
        load_model(str(copied))
    assert "It holds" in caught.value.hint


def test_a_missing_folder_names_the_models_beside_it(copied: Path) -> None:
    with pytest.raises(UserError, match="there is no model folder") as caught:
        load_model(str(copied.parent / "modle"))
    assert str(copied) in caught.value.hint


def test_a_weight_that_is_missing_is_named(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    weights.pop("model.decoder.layers.0.fc1.weight")
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lack model\.decoder\.layers\.0\.fc1\.weight"):
        load_model(str(copied))


def test_a_truncated_weight_file_is_one_sentence(copied: Path) -> None:
    whole = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="could not be loaded as a Whisper model"):
        load_model(str(copied))


def test_a_tokenizer_that_does_not_hold_together_is_one_sentence(copied: Path) -> None:
    content = json.loads((copied / "tokenizer.json").read_text("utf-8"))
    content["model"]["merges"].append(["neither", "nor"])
    (copied / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(UserError, match=r"the tokenizer of .* could not be read"):
        load_model(str(copied))


def test_a_name_longer_than_a_file_may_have_is_no_folder() -> None:
    with pytest.raises(UserError, match="there is no model folder"):
        load_model("./" + 5000 * "9")


def test_pickled_weights_are_not_loaded(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"lacks model\.safetensors"):
        load_model(str(copied))


def test_a_hub_name_without_a_network_says_what_to_do() -> None:
    with pytest.raises(UserError, match="openai/whisper-none") as caught:
        load_model("openai/whisper-none", local_files_only=True)
    assert "hub name" in caught.value.hint


def test_the_hash_is_of_the_weights(copied: Path) -> None:
    before = weights_sha256(str(copied))
    (copied / "README.md").write_text("x")
    assert weights_sha256(str(copied)) == before
    assert weights_sha256("openai/whisper-tiny") is None
