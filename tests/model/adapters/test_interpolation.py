"""Interpolated with its base, averaged and swept, a model lies exactly where it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import merge_lora
from utils.cli.errors import UserError
from utils.model.adapters.attach import AdapterPlan, attach_adapter
from utils.model.folders import save_model
from utils.model.load import load_model
from utils.model.new_tokens import add_tokens, new_ids


def run_of(base: Path, folder: Path, seed: int, tokens: tuple[str, ...] = ()) -> Path:
    """A saved adapter whose update is not zero."""
    loaded = load_model(str(base))
    if tokens:
        loaded = add_tokens(loaded, list(tokens))
    plan = AdapterPlan(rank=2, new_tokens=new_ids(loaded))
    model = attach_adapter(loaded.model, plan, str(base))
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.05)
    save_model(model, loaded.processor, folder, "mixed")
    return folder


def merged(output: Path, *flags: str) -> dict[str, torch.Tensor]:
    merge_lora.main([f"--output_dir={output}", *flags])
    return load_file(output / "tiny-finetune" / "model.safetensors")


def test_alpha_lies_on_the_line_and_added_rows_stay_as_trained(
    tiny_model: Path, tmp_path: Path
) -> None:
    run = run_of(tiny_model, tmp_path / "run", 1, ("catheter",))
    base = load_file(tiny_model / "model.safetensors")
    whole = merged(tmp_path / "1", f"--lora_model={run}")
    half = merged(tmp_path / "2", f"--lora_model={run}", "--alpha=0.25")
    name = "model.decoder.layers.0.fc1.weight"
    torch.testing.assert_close(half[name], base[name] + 0.25 * (whole[name] - base[name]))
    table = "model.decoder.embed_tokens.weight"
    assert torch.equal(half[table][51865:], whole[table][51865:])
    torch.testing.assert_close(half[table][:51865], base[table])


def test_a_soup_is_the_average(tiny_model: Path, tmp_path: Path) -> None:
    runs = [run_of(tiny_model, tmp_path / f"run{n}", n) for n in range(3)]
    single = [merged(tmp_path / f"m{n}", f"--lora_model={run}") for n, run in enumerate(runs)]
    both = merged(tmp_path / "s", f"--lora_model={runs[0]}", f"--soup={runs[1]},{runs[2]}")
    for name in ("model.decoder.layers.0.fc1.weight", "model.encoder.layers.1.fc2.weight"):
        mean = torch.stack([weights[name] for weights in single]).mean(0)
        torch.testing.assert_close(both[name], mean)


def test_a_soup_of_two_bases_is_refused(tiny_model: Path, demo_model: Path, tmp_path: Path) -> None:
    runs = [run_of(tiny_model, tmp_path / "a", 1), run_of(demo_model, tmp_path / "b", 1)]
    with pytest.raises(UserError, match="only runs from one base model can be averaged"):
        merge_lora.main(
            [f"--lora_model={runs[0]}", f"--soup={runs[1]}", f"--output_dir={tmp_path / 'm'}"]
        )


def test_a_sweep_keeps_the_alpha_with_the_lowest_mean_error(
    demo_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A run that only spoils the model: the base itself is the best of them.
    run = run_of(demo_model, tmp_path / "run", 1)
    sets = {}
    for part, name in (("zh", "target"), ("en", "keep")):
        lines = (demo_model.parent / part / "dev.jsonl").read_text().splitlines()[:2]
        folder = demo_model.parent / part
        sets[name] = tmp_path / f"{name}.jsonl"
        lines = [line.replace('"audio/', f'"{folder}/audio/') for line in lines]
        sets[name].write_text("\n".join(lines), encoding="utf-8")
    flags = [f"--{name}_data={path}" for name, path in sets.items()]
    output = tmp_path / "models"
    merge_lora.main([f"--lora_model={run}", f"--output_dir={output}", "--alpha_sweep=0,1", *flags])
    found = json.loads((output / "base-finetune-alpha.json").read_text())
    assert [point["alpha"] for point in found["points"]] == [0.0, 1.0]
    rates = [point["target"] + point["kept"] for point in found["points"]]
    assert rates[0] < rates[1]
    assert found["chosen"] == 0.0
    assert (output / "base-finetune-alpha.png").read_bytes().startswith(b"\x89PNG")
    weights = load_file(output / "base-finetune" / "model.safetensors")
    base = load_file(demo_model / "model.safetensors")
    name = "model.decoder.layers.0.fc1.weight"
    torch.testing.assert_close(weights[name], base[name].float())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--alpha=1.5"], "expected 0"),
        (["--alpha_sweep=0,1"], "needs --target_data and --keep_data"),
        (["--alpha_sweep=0,1", "--target_data=a", "--keep_data=a"], "are both a"),
        (["--alpha_sweep=0,two", "--target_data=a", "--keep_data=b"], "numbers from 0 to 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(flags: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        merge_lora.main(flags)
