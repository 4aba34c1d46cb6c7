"""A run from start to end: its files, its exactness, and what a user can get wrong."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import WhisperForConditionalGeneration, WhisperProcessor

import finetune
import finetune_all
import merge_lora
from tests.processes import start_forked
from utils.cli.errors import UserError, run_script
from utils.model.checksums import find_damage
from utils.model.folders import checkpoints
from utils.model.load import load_model
from utils.training.trainer import WhisperTrainer


def flags(model: Path, data: Path, output: Path, **more: object) -> list[str]:
    """Flags of a small run of four steps."""
    settings: dict[str, object] = {
        "base_model": model,
        "train_data": data,
        "dev_data": data,
        "output_dir": output,
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "num_workers": 0,
        "logging_steps": 1,
        "eval_steps": 100,
        "save_steps": 2,
        "eval_on_start": False,
        "warmup_steps": 1,
        "max_audio_len": 3.5,
        **more,
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in metrics(run) if "loss" in line]


def gradient_norms(run: Path) -> list[float]:
    return [line["grad_norm"] for line in metrics(run) if "grad_norm" in line]


@pytest.fixture(scope="module")
def finished(
    tiny_model: Path, speech_manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("output")
    finetune.main(flags(tiny_model, speech_manifest, output))
    return output / "tiny"


def test_a_run_leaves_its_files(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "checkpoint-2",
        "checkpoint-4",
        "checkpoint-best",
        "checkpoint-final",
        "dev_examples.jsonl",
        "dropped.jsonl",
        "metrics.jsonl",
        "run.json",
        "settings.yaml",
        "sounds.npz",
        "tensorboard",
    }


def test_metrics_hold_what_other_programs_read(finished: Path) -> None:
    lines = metrics(finished)
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4]
    wanted = {"step", "epoch", "loss", "learning_rate", "grad_norm", "examples", "audio_seconds"}
    assert wanted | {"seconds", "bad_steps"} == set(steps[0])
    assert steps[-1]["examples"] == 4 + 4 + 1 + 4  # nine clips: a pass, and a step of the next
    dev = lines[-1]
    assert {"dev_loss", "dev_cer"} <= set(dev)


def test_a_run_shorter_than_eval_steps_has_a_best_checkpoint(finished: Path) -> None:
    assert load_model(str(finished / "checkpoint-best")).is_adapter


def test_the_best_checkpoint_has_the_lowest_dev_error(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    more = {"eval_steps": 1, "save_steps": 1, "learning_rate": 0.05, "max_steps": 6}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    run = tmp_path / "tiny"
    errors = {line["step"]: line["dev_cer"] for line in metrics(run) if "dev_cer" in line}
    assert len(set(errors.values())) > 1
    best = min(errors, key=lambda step: (errors[step], step))
    kept = load_file(run / "checkpoint-best" / "adapter_model.safetensors")
    numbered = load_file(run / f"checkpoint-{best}" / "adapter_model.safetensors")
    assert all(torch.equal(kept[name], numbered[name]) for name in kept)


@pytest.mark.parametrize("name", ["checkpoint-2", "checkpoint-best", "checkpoint-final"])
def test_every_checkpoint_loads_with_from_pretrained(finished: Path, name: str) -> None:
    WhisperForConditionalGeneration.from_pretrained(finished / name)
    WhisperProcessor.from_pretrained(finished / name)


def test_old_checkpoints_are_removed_and_the_best_one_stays(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = WhisperTrainer._keep_if_best

    def keep_and_age(self: WhisperTrainer, error: float, model: object) -> None:
        keep(self, error, model)
        os.utime(self.run / "checkpoint-best", (0, 0))

    # The library removes the folder that was changed longest ago, whatever its name.
    monkeypatch.setattr(WhisperTrainer, "_keep_if_best", keep_and_age)
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, eval_steps=2, save_total_limit=1))
    left = {path.name for path in (tmp_path / "tiny").glob("checkpoint-*")}
    assert left == {"checkpoint-4", "checkpoint-best", "checkpoint-final"}


def test_settings_are_themselves_a_config(
    finished: Path, tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    config = finished / "settings.yaml"
    finetune.main([f"--config={config}", f"--output_dir={tmp_path}", "--seed=42"])
    again = yaml.safe_load((tmp_path / "tiny" / "settings.yaml").read_text("utf-8"))
    first = yaml.safe_load(config.read_text("utf-8"))
    assert again | {"output_dir": ""} == first | {"output_dir": ""}
    assert losses(tmp_path / "tiny") == losses(finished)


def test_a_run_that_stopped_and_resumed_ends_like_one_that_did_not(
    finished: Path, tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    run = tmp_path / "tiny"
    shutil.copytree(finished, run)
    shutil.rmtree(run / "checkpoint-4")
    shutil.rmtree(run / "checkpoint-final")
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, resume_from_checkpoint="auto"))
    found = load_file(run / "checkpoint-final" / "adapter_model.safetensors")
    expected = load_file(finished / "checkpoint-final" / "adapter_model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert losses(run) == losses(finished)


AUGMENTATION = [
    {"type": "speed", "prob": 0.7, "params": {"min_speed_rate": 0.8, "max_speed_rate": 1.2}},
    {"type": "volume", "prob": 0.5},
    {"type": "spec_augment", "prob": 0.5},
]


@pytest.mark.parametrize("augmented", [False, True], ids=["plain", "augmented"])
@pytest.mark.parametrize(("batch", "accumulation"), [(8, 1), (2, 4), (1, 8)])
def test_loss_and_gradient_do_not_depend_on_how_a_step_is_cut(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    batch: int,
    accumulation: int,
    augmented: bool,
) -> None:
    (tmp_path / "augmentation.json").write_text(json.dumps(AUGMENTATION))
    augmentation = tmp_path / "augmentation.json" if augmented else None
    found = {}
    for name, cut in {"whole": (8, 1), "cut": (batch, accumulation)}.items():
        finetune.main(
            flags(
                tiny_model,
                speech_manifest,
                tmp_path / name,
                max_steps=2,
                per_device_train_batch_size=cut[0],
                gradient_accumulation_steps=cut[1],
                augment_config_path=augmentation,
            )
        )
        run = tmp_path / name / "tiny"
        found[name] = [*losses(run), *gradient_norms(run)]
    assert found["cut"] == pytest.approx(found["whole"], rel=1e-4)


def test_every_weight_moves_in_a_full_fine_tune(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    finetune_all.main(flags(tiny_model, speech_manifest, tmp_path, learning_rate=1e-3))
    before = load_file(tiny_model / "model.safetensors")
    after = load_file(tmp_path / "tiny" / "checkpoint-final" / "model.safetensors")
    still = {name for name in before if torch.equal(before[name], after[name])}
    # The encoder's positions are fixed sinusoids in every Whisper.
    assert still == {"model.encoder.embed_positions.weight"}


def test_a_frozen_encoder_stays_as_it_was(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    more = {"freeze_encoder": True, "learning_rate": 1e-3, "max_steps": 2}
    finetune_all.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    before = load_file(tiny_model / "model.safetensors")
    after = load_file(tmp_path / "tiny" / "checkpoint-final" / "model.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any(name.startswith("model.encoder.") for name in moved)


def test_adalora_moves_its_ranks(tiny_model: Path, speech_manifest: Path, tmp_path: Path) -> None:
    more = {"use_adalora": True, "max_steps": 12, "lora_rank": 4, "save_steps": 100}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    config = tmp_path / "tiny" / "checkpoint-final" / "adapter_config.json"
    pattern = json.loads(config.read_text())["rank_pattern"]
    ranks = [sum(kept) for kept in pattern.values()]
    assert sum(ranks) == 4 * len(ranks)  # the average that was asked for
    assert len(set(ranks)) > 1  # placed where they are needed


def test_a_merged_run_is_a_plain_model(finished: Path, tmp_path: Path) -> None:
    best = finished / "checkpoint-best"
    merge_lora.main([f"--lora_model={best}", f"--output_dir={tmp_path}"])
    merged = load_model(str(tmp_path / "tiny-finetune"))
    assert not merged.is_adapter
    assert merged.audio_context == "mixed"


def test_a_file_that_cannot_be_read_is_named_and_the_rest_trained(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = speech_manifest.read_text().splitlines()
    for name in ("gone", "hollow"):
        audio = {"path": f"{name}.flac"}
        lines.append(json.dumps({"audio": audio, "sentence": "hm", "id": name, "duration": 1.0}))
    shutil.copytree(speech_manifest.parent, tmp_path / "data")
    (tmp_path / "data" / "hollow.flac").write_bytes(b"fLaC")
    data = tmp_path / "data" / "more.jsonl"
    data.write_text("\n".join(lines), encoding="utf-8")
    more = {"dev_data": speech_manifest, "num_train_epochs": 1, "audio_context": "dynamic"}
    finetune.main(flags(tiny_model, data, tmp_path, **more))
    said = capsys.readouterr().err
    assert "1 of 11 utterances are left out" in said
    assert "gone.flac: no such file" in said
    assert "hollow" in said
    assert metrics(tmp_path / "tiny")[-1]["examples"] > 9


def test_labels_that_are_too_long_are_found_before_training(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = speech_manifest.read_text().splitlines()
    first = json.loads(lines[0])
    lines.append(json.dumps({**first, "id": "endless", "sentence": "x y z " * 300}))
    data = speech_manifest.parent / "long.jsonl"
    data.write_text("\n".join(lines), encoding="utf-8")
    run = flags(tiny_model, data, tmp_path, dev_data=speech_manifest, max_steps=1)
    finetune.main(run)
    said = capsys.readouterr().err
    assert "endless" in said
    assert "label tokens; the decoder takes 448" in said
    dropped = json.loads((tmp_path / "tiny" / "dropped.jsonl").read_text())
    assert (dropped["set"], dropped["id"]) == ("train", "endless")


def test_the_test_set_in_the_dev_sets_place_is_warned_of(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = flags(tiny_model, speech_manifest, tmp_path, test_data=speech_manifest, max_steps=1)
    finetune.main([flag for flag in run if not flag.startswith("--dev_data")])
    assert "chooses the best checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"train_data": "nowhere.json"}, r"nowhere\.json: there is no such manifest"),
        ({"base_model": "./nowhere"}, r"there is no model folder \./nowhere"),
        ({"language": "Klingon"}, "Klingon"),
        ({"fp16": True}, "--fp16=True needs an NVIDIA GPU"),
        ({"max_audio_len": 31}, "expected 0 <= min < max <= 30 seconds"),
        ({"min_audio_len": 3.2, "max_audio_len": 3.3}, "none of its 9 utterances can be trained"),
        ({"push_to_hub": True}, "--push_to_hub=True needs --hub_model_id"),
        (
            {"push_to_hub": True, "hub_model_id": "me/x", "license": "mit"},
            "HF_HUB_OFFLINE=1 .* forbids the network",
        ),
        ({"learning_rates": 1}, "learning_rates"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_writes_nothing(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    more: dict[str, object],
    message: str,
) -> None:
    if "fp16" in more and torch.cuda.is_available():
        pytest.skip("this machine can do what is refused elsewhere")
    with pytest.raises(UserError, match=message):
        finetune.main(flags(tiny_model, speech_manifest, tmp_path / "output", **more))
    assert not (tmp_path / "output").exists()


def test_the_same_command_after_the_end_changes_nothing(
    finished: Path, tiny_model: Path, speech_manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    finetune.main(flags(tiny_model, speech_manifest, finished.parent))
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_a_run_of_other_settings_is_kept_and_every_difference_named(
    finished: Path, tiny_model: Path, speech_manifest: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    more = {"learning_rate": 0.5, "max_steps": 6, "num_workers": 1, "lora_rank": 8}
    with pytest.raises(UserError, match="earlier run with other settings") as caught:
        finetune.main(flags(tiny_model, speech_manifest, finished.parent, **more))
    told = [line.strip() for line in caught.value.message.splitlines()[1:]]
    assert told == ["learning_rate: 0.001 -> 0.5", "lora_rank: 32 -> 8", "max_steps: 4 -> 6"]
    assert "--allow_changed_settings=True" in caught.value.hint
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_changed_settings_that_are_allowed_take_effect(
    finished: Path,
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(finished, tmp_path / "tiny")
    more = {"learning_rate": 0.5, "max_steps": 6, "allow_changed_settings": True}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    assert "going on with changed settings" in capsys.readouterr().err
    lines = [line for line in metrics(tmp_path / "tiny") if "loss" in line]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    # Warm-up of one step, then down to 0 after six: 2/5 and 1/5 of the new highest rate.
    assert [line["learning_rate"] for line in lines[4:]] == pytest.approx([0.2, 0.1])
    wider = {**more, "lora_rank": 8}
    with pytest.raises(UserError, match="does not fit the model of these settings"):
        finetune.main(flags(tiny_model, speech_manifest, tmp_path, **wider))


def test_the_frozen_weights_can_be_held_in_8_bits(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    more = {"use_8bit": True, "max_steps": 8, "save_steps": 100}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    found = losses(tmp_path / "tiny")
    assert found[-1] < found[0]


def test_interrupted_it_says_so_and_leaves_the_earlier_checkpoints(
    repository: Path, tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    more = {"max_steps": 100_000, "save_steps": 2, "num_workers": 1, "save_total_limit": 2}
    command = ["finetune.py", *flags(tiny_model, speech_manifest, tmp_path, **more)]
    process = start_forked(command, repository, tmp_path)
    run = tmp_path / "tiny"
    deadline = time.monotonic() + 200
    while not (run / "checkpoint-4" / "trainer_state.json").is_file():
        assert process.is_alive(), (tmp_path / "stderr").read_text()[-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    said = (tmp_path / "stderr").read_text()
    assert process.exitcode == 130, said[-2000:]
    assert "error: interrupted" in said
    assert "Traceback" not in said
    kept = checkpoints(run)[-1]
    assert f"{kept} is saved" in said
    assert find_damage(kept) is None
    WhisperForConditionalGeneration.from_pretrained(kept)


def test_a_full_disk_is_one_sentence_and_the_earlier_model_stays(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    arguments = [f"--lora_model={finished / 'checkpoint-best'}", f"--output_dir={tmp_path}"]
    merge_lora.main(arguments)
    before = load_file(tmp_path / "tiny-finetune" / "model.safetensors")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(WhisperProcessor, "save_pretrained", full)
    assert run_script(lambda _: merge_lora.main(arguments)) == 1
    said = capsys.readouterr().err
    assert "could not be written: the disk is full" in said
    assert "Free some space" in said
    after = load_file(tmp_path / "tiny-finetune" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


BUDGET = {
    "batch_seconds": 4,
    "batch_tokens": 40,
    "audio_context": "mixed",
    "full_share": 0.2,
    "tail_share": 0.2,
    "max_steps": -1,
    "num_train_epochs": 2,
    "save_steps": 1,
    "save_total_limit": 100,
}


@pytest.mark.parametrize("by", ["seconds", "count"])
def test_a_run_resumes_in_the_middle_of_its_second_pass(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, by: str
) -> None:
    more = BUDGET if by == "seconds" else {**BUDGET, "batch_seconds": None, "batch_tokens": None}
    more = {**more, "context_margin": 0.3, "gradient_accumulation_steps": 2}
    if by == "count":
        more["context_warmup_steps"] = 3
        more["per_device_train_batch_size"] = 1
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    run = tmp_path / "tiny"
    whole = [line for line in metrics(run) if "loss" in line]
    steps = len(whole)
    assert steps % 2 == 0 and steps >= 6
    assert whole[steps // 2 - 1]["examples"] == 9  # each pass sees every clip once
    assert whole[-1]["examples"] == 18
    expected = load_file(run / "checkpoint-final" / "adapter_model.safetensors")
    checkpoint = run / f"checkpoint-{steps // 2 + 1}"
    resumed = flags(tiny_model, speech_manifest, tmp_path, resume_from_checkpoint=checkpoint)
    finetune.main([*resumed, *flags(tiny_model, speech_manifest, tmp_path, **more)])
    assert losses(run) == [line["loss"] for line in whole]
    found = load_file(run / "checkpoint-final" / "adapter_model.safetensors")
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_opening_lines_say_the_padding_waste_and_what_fits_nowhere(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"batch_seconds": 2, "max_steps": 1, "audio_context": "dynamic"}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    said = capsys.readouterr()
    assert "padding waste" in said.out
    assert "4 of 9 utterances are longer than --batch_seconds=2" in said.err
    assert "batch of its own" in said.err


def test_the_margin_is_kept_with_the_adapter_and_the_merged_model(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, context_margin=0.7, max_steps=1))
    best = tmp_path / "tiny" / "checkpoint-best"
    assert load_model(str(best)).context_margin == 0.7
    merge_lora.main([f"--lora_model={best}", f"--output_dir={tmp_path / 'merged'}"])
    merged = tmp_path / "merged" / "tiny-finetune"
    assert load_model(str(merged)).context_margin == 0.7
    # A later run that asks for nothing goes on with it; one that asks gets its own.
    for asked, found in ((None, 0.7), (0.0, 0.0)):
        out = tmp_path / str(asked)
        finetune.main(flags(merged, speech_manifest, out, context_margin=asked, max_steps=1))
        assert load_model(str(out / "tiny-finetune" / "checkpoint-best")).context_margin == found


@pytest.mark.parametrize("script", [finetune, finetune_all])
def test_matching_comes_before_the_training_and_not_again_when_resumed(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    script: object,
) -> None:
    more = {"context_match_steps": 3, "learning_rate": 1e-3}
    run = tmp_path / "tiny"
    script.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    assert "matching     3 steps" in capsys.readouterr().out
    whole = losses(run)
    shutil.rmtree(run / "checkpoint-4")
    again = {**more, "resume_from_checkpoint": "auto"}
    script.main(flags(tiny_model, speech_manifest, tmp_path, **again))
    assert "matching     " not in capsys.readouterr().out
    assert losses(run) == whole


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"batch_seconds": 0}, "--batch_seconds=0: expected more than 0"),
        ({"batch_tokens": -5}, "--batch_tokens=-5: expected more than 0"),
        ({"full_share": 1.0}, "expected shares from 0 to below 1"),
        ({"full_share": 0.6, "tail_share": 0.6}, "more than all steps together"),
        ({"context_margin": -1}, "expected 0 to 30 seconds"),
        ({"context_warmup_steps": 5, "batch_seconds": 9}, "cannot go with"),
        ({"context_warmup_steps": -1}, "expected 0 or more"),
        (
            {"context_match_steps": 5, "audio_context": "full"},
            "audio_context=full trains on windows",
        ),
        ({"context_match_steps": 5, "freeze_encoder": True}, "trains the encoder"),
    ],
)
def test_windows_that_make_no_sense_are_refused(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    more: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(UserError, match=message):
        finetune_all.main(flags(tiny_model, speech_manifest, tmp_path / "output", **more))
    assert not (tmp_path / "output").exists()
