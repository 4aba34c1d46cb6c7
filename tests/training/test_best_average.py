"""The average of the k best weights: what is averaged, when it is kept, and that it is exact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import finetune
import finetune_all
from tests.training.test_learning_runs import cut_before, flags, same_weights
from tests.training.test_run import metrics
from utils.cli.errors import UserError
from utils.model.checksums import write_checksums
from utils.model.load import load_model
from utils.training.best_average import candidates

# A rate at which weights move and no text changes: the average is as good as the best.
SCORED_OFTEN = {"eval_steps": 1, "max_steps": 4, "average_best": 3, "learning_rate": 1e-6}


@pytest.fixture(scope="module")
def averaged(
    tiny_model: Path, speech_manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("averaged")
    finetune_all.main(flags(tiny_model, speech_manifest, output, **SCORED_OFTEN))
    return output / "tiny"


def test_the_best_are_kept_whatever_checkpoints_there_are(averaged: Path) -> None:
    errors = {line["step"]: line["dev_cer"] for line in metrics(averaged) if "dev_cer" in line}
    best = sorted(errors, key=lambda step: (errors[step], step))[:3]
    kept = candidates(averaged / "candidates")
    assert [(c.step, c.error) for c in kept] == [(step, errors[step]) for step in best]
    assert {path.name for path in averaged.glob("checkpoint-[0-9]*")} == {
        "checkpoint-2",
        "checkpoint-4",
    }


def test_the_average_is_the_mean_and_takes_the_place_of_the_best(averaged: Path) -> None:
    verdict = json.loads((averaged / "average.json").read_text())
    kept = candidates(averaged / "candidates")
    assert verdict["kept"] is True
    assert verdict["error"] <= min(c.error for c in kept)
    assert [each["step"] for each in verdict["averaged"]] == [c.step for c in kept]
    weights = [load_file(c.folder / "weights.safetensors") for c in kept]
    best = load_file(averaged / "checkpoint-best" / "model.safetensors")
    name = "model.decoder.layers.0.fc1.weight"
    assert not torch.equal(weights[0][name], weights[1][name])
    for name in weights[0]:
        mean = torch.stack([w[name].double() for w in weights]).mean(0)
        torch.testing.assert_close(best[name].double(), mean, rtol=1e-6, atol=1e-8)


def test_the_final_weights_are_those_of_the_last_step(averaged: Path) -> None:
    name = "model.safetensors"
    assert same_weights(averaged / "checkpoint-final" / name, averaged / "checkpoint-4" / name)


def test_a_resumed_run_averages_the_same(
    averaged: Path, tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    run = cut_before("checkpoint-4", averaged, tmp_path)
    finetune_all.main(flags(tiny_model, speech_manifest, tmp_path, **SCORED_OFTEN))
    assert (run / "average.json").read_text() == (averaged / "average.json").read_text()
    name = "checkpoint-best/model.safetensors"
    assert same_weights(run / name, averaged / name)


def test_an_average_that_is_worse_is_not_kept(
    demo_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (demo_model.parent / "zh" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:4]
    data = tmp_path / "data.jsonl"
    audio = f'"{demo_model.parent}/zh/audio/'
    data.write_text("\n".join(lines).replace('"audio/', audio), encoding="utf-8")
    more = {**SCORED_OFTEN, "max_steps": 2, "audio_context": "dynamic"}
    finetune.main(flags(demo_model, data, tmp_path, **more))
    run = tmp_path / "base"
    before = load_file(run / "checkpoint-best" / "adapter_model.safetensors")
    # As if the weights between the best ones were far from all of them.
    for number, candidate in enumerate(candidates(run / "candidates")):
        torch.manual_seed(number)
        weights = load_file(candidate.folder / "weights.safetensors")
        spoilt = {name: torch.randn_like(tensor) for name, tensor in weights.items()}
        save_file(spoilt, candidate.folder / "weights.safetensors")
        write_checksums(candidate.folder)
    shutil.rmtree(run / "checkpoint-final")
    capsys.readouterr()
    finetune.main(flags(demo_model, data, tmp_path, **more))
    assert "not kept" in capsys.readouterr().out
    assert json.loads((run / "average.json").read_text())["kept"] is False
    after = load_file(run / "checkpoint-best" / "adapter_model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_damaged_weights_are_named_and_left_out(
    averaged: Path,
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(averaged, tmp_path / "tiny")
    run = tmp_path / "tiny"
    shutil.rmtree(run / "checkpoint-final")
    worst = candidates(run / "candidates")[-1].folder
    (worst / "weights.safetensors").write_bytes(b"cut short")
    finetune_all.main(flags(tiny_model, speech_manifest, tmp_path, **SCORED_OFTEN))
    assert f"{worst.name} is damaged" in capsys.readouterr().err
    assert len(json.loads((run / "average.json").read_text())["averaged"]) == 2


def test_adapters_are_averaged_by_their_factors(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    more = {**SCORED_OFTEN, "adapter": "dora", "average_best": 2, "max_steps": 2}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    run = tmp_path / "tiny"
    weights = [load_file(c.folder / "weights.safetensors") for c in candidates(run / "candidates")]
    found = dict(load_model(str(run / "checkpoint-best")).model.named_parameters())
    assert weights[0]
    for name in weights[0]:
        mean = (weights[0][name] + weights[1][name]) / 2
        torch.testing.assert_close(found[name].detach(), mean, rtol=1e-5, atol=1e-8)


def test_one_evaluation_leaves_nothing_to_average(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"max_steps": 1, "average_best": 2, "eval_on_start": True}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    assert "nothing to average" in capsys.readouterr().out
    assert (tmp_path / "tiny" / "checkpoint-best").is_dir()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"average_best": 1}, "expected 2 or more"),
        ({"average_best": 3, "adapter": "adalora"}, "whose ranks adalora moves"),
    ],
)
def test_what_cannot_be_averaged_is_refused(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, more: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
