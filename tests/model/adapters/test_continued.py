"""An adapter that is there already is trained further: ours, and those of older scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

import finetune
from tests.model.adapters.test_attach_and_merge import logits, trained_adapter
from tests.training.test_run import flags
from utils.cli.errors import UserError
from utils.model.adapters.attach import AdapterPlan
from utils.model.adapters.continued import Asked, continue_adapter
from utils.model.load import load_model


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    """A trained adapter of this repository."""
    trained = trained_adapter(tiny_model, AdapterPlan(rank=4, alpha=8))
    trained.model.save_pretrained(str(tmp_path / "adapter"))
    return tmp_path / "adapter"


def test_it_begins_where_the_adapter_ended(tiny_model: Path, adapter: Path) -> None:
    before = logits(trained_adapter(tiny_model, AdapterPlan(rank=4, alpha=8)).model)
    model = continue_adapter(load_model(str(tiny_model)).model, str(adapter), "base", Asked())
    torch.testing.assert_close(logits(model.eval()), before)
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert names and all("lora_" in name for name in names)


def test_an_adapter_of_the_older_scripts_is_a_start(tiny_model: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=32, lora_alpha=64, target_modules=["q_proj", "v_proj"], lora_dropout=0.05)
    old = get_peft_model(load_model(str(tiny_model)).model, config)
    with torch.no_grad():
        for name, weight in old.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    old.save_pretrained(str(tmp_path / "old"), safe_serialization=False)  # adapter_model.bin
    model = continue_adapter(load_model(str(tiny_model)).model, str(tmp_path / "old"), "b", Asked())
    torch.testing.assert_close(logits(model.eval()), logits(old.eval()))


def test_a_run_trains_it_further(
    tiny_model: Path, speech_manifest: Path, adapter: Path, tmp_path: Path
) -> None:
    more = {"init_adapter": adapter, "learning_rate": 1e-6, "max_steps": 2, "save_steps": 2}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path / "out", **more))
    (final,) = (tmp_path / "out").glob("*/checkpoint-final")
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (adapter, final))
    assert before.keys() == after.keys()
    assert max(float((before[name] - after[name]).abs().max()) for name in before) < 1e-4
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert json.loads((final / "adapter_config.json").read_text())["r"] == 4


@pytest.mark.parametrize(
    ("asked", "said"), [(Asked(rank=8), "--lora_rank=8"), (Asked(alpha=9), "--lora_alpha=9")]
)
def test_another_shape_is_refused(tiny_model: Path, adapter: Path, asked: Asked, said: str) -> None:
    with pytest.raises(UserError, match=said):
        continue_adapter(load_model(str(tiny_model)).model, str(adapter), "base", asked)


def test_what_fits_not_is_refused(tiny_model: Path, adapter: Path, tmp_path: Path) -> None:
    model = load_model(str(tiny_model)).model
    with pytest.raises(UserError, match="is no adapter"):
        continue_adapter(model, str(tmp_path), "base", Asked())
    trained = trained_adapter(tiny_model, AdapterPlan("adalora", rank=4, total_steps=50))
    trained.model.save_pretrained(str(tmp_path / "adaptive"))
    with pytest.raises(UserError, match="planned for one run") as error:
        continue_adapter(model, str(tmp_path / "adaptive"), "base", Asked())
    assert "merge_lora.py" in error.value.hint
    del model.model.decoder.layers[-1]
    with pytest.raises(UserError, match="does not fit"):
        continue_adapter(model, str(adapter), "base", Asked())
