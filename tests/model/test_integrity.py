"""A folder that is not as it was written, or whose weights are no numbers, is refused at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from utils.cli.errors import UserError
from utils.model.adapters.attach import AdapterPlan, attach_adapter
from utils.model.checksums import CHECKSUMS, write_checksums
from utils.model.folders import save_model
from utils.model.load import load_model


@pytest.fixture
def copied(tiny_model: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_model, tmp_path / "copied")
    write_checksums(tmp_path / "copied")
    return tmp_path / "copied"


def spoil(folder: Path, name: str, value: float) -> str:
    """Give one number of a folder's weights another value; returns the weight's name."""
    weights = load_file(folder / name)
    spoiled = sorted(weights)[0]
    weights[spoiled].view(-1)[0] = value
    save_file(weights, folder / name, metadata={"format": "pt"})
    return spoiled


def test_a_whole_folder_loads(copied: Path) -> None:
    assert load_model(str(copied))


@pytest.mark.parametrize("name", ["model.safetensors", "generation_config.json", "config.json"])
def test_a_folder_that_was_changed_is_refused_by_the_file(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[-3] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"copied is damaged: .*{name}") as caught:
        load_model(str(copied))
    assert str(copied / CHECKSUMS) in caught.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(copied: Path, value: float) -> None:
    spoil(copied, "model.safetensors", value)
    (copied / CHECKSUMS).unlink()
    with pytest.raises(UserError, match=r"1 of \d+ numbers of the weight .* are not finite"):
        load_model(str(copied))


def test_an_adapters_weights_are_looked_at_too(tiny_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    loaded = load_model(str(tiny_model))
    model = attach_adapter(loaded.model, AdapterPlan(rank=2), str(tiny_model))
    save_model(model, loaded.processor, tmp_path / "adapter")
    assert load_model(str(tmp_path / "adapter")).is_adapter
    spoil(tmp_path / "adapter", "adapter_model.safetensors", float("nan"))
    with pytest.raises(UserError, match=r"adapter: 1 of \d+ numbers of the weight .*lora_A"):
        load_model(str(tmp_path / "adapter"))
