"""Runs with everything that can be learned at once, and what decides which model is kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import finetune
import finetune_all
import merge_lora
from tests.training.test_run import flags as run_flags
from tests.training.test_run import metrics
from utils.audio.augmentation.effects import Shift
from utils.audio.augmentation.pipeline import Augmenter
from utils.cli.errors import UserError
from utils.data.make_table import training_table
from utils.manifest.read import read_manifest
from utils.model.load import load_model
from utils.model.new_tokens import new_ids
from utils.training.generation_settings import allow_late_starts, latest_start
from utils.training.settings.runs import FullSettings
from utils.training.settings.selection import check_trackers
from utils.training.tracking.transcripts import EXAMPLES


def flags(model: Path, data: Path, output: Path, **more: object) -> list[str]:
    """Flags of a small run of four steps, of two utterances of any length."""
    return run_flags(
        model, data, output, **{"per_device_train_batch_size": 2, "max_audio_len": 30.0, **more}
    )


def cut_before(last: str, run: Path, folder: Path) -> Path:
    """A copy of a run that was killed before its last checkpoint."""
    shutil.copytree(run, folder / run.name)
    shutil.rmtree(folder / run.name / last)
    shutil.rmtree(folder / run.name / "checkpoint-final")
    return folder / run.name


def same_weights(first: Path, second: Path) -> bool:
    found, expected = load_file(first), load_file(second)
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], expected[name]) for name in found
    )


def assert_resumes_exactly(
    script: Any, inputs: tuple[Path, Path], whole: Path, last: str, more: dict[str, object]
) -> None:
    """Take the last checkpoint of a finished run away, go on, and hold the ends to each other.

    Args:
        script: finetune or finetune_all.
        inputs: model and data.
        whole: the finished run.
        last: its last checkpoint.
        more: the flags that it had.
    """
    run = cut_before(last, whole, whole.parent.parent / "cut")
    script.main(flags(*inputs, run.parent, **{**more, "resume_from_checkpoint": "auto"}))
    kind = "adapter_model" if script is finetune else "model"
    name = f"checkpoint-final/{kind}.safetensors"
    assert same_weights(run / name, whole / name)


def test_all_at_once_resumes_exactly_and_merges(
    tiny_model: Path, speech_manifest: Path, demo_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "tokens.txt").write_text("明天见\ncatheter\n", encoding="utf-8")
    more = {
        "adapter": "pissa",
        "lora_rank": 4,
        "lora_plus_ratio": 4,
        "add_tokens": tmp_path / "tokens.txt",
        "timestamps": True,
        "timestamp_prob": 0.5,
        "concat": True,
        "sampling_temperature": 5,
        "keep_data": demo_model.parent / "en" / "dev.jsonl",
        "keep_share": 0.5,
        "learning_rate": 0.01,
    }
    finetune.main(flags(tiny_model, speech_manifest, tmp_path / "whole", **more))
    whole = tmp_path / "whole" / "tiny"
    inputs = (tiny_model, speech_manifest)
    assert_resumes_exactly(finetune, inputs, whole, "checkpoint-4", more)
    merge_lora.main([f"--lora_model={whole / 'checkpoint-final'}", f"--output_dir={tmp_path}"])
    merged = load_model(str(tmp_path / "tiny-finetune"))
    assert len(new_ids(merged)) == 2
    assert merged.whisper.proj_out.weight is merged.whisper.get_input_embeddings().weight


def test_the_average_is_kept_and_resumes_exactly(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    more = {"ema_decay": 0.9, "learning_rate": 0.01, "layer_drop": 0.3, "layer_decay": 0.9}
    finetune_all.main(flags(tiny_model, speech_manifest, tmp_path / "whole", **more))
    whole = tmp_path / "whole" / "tiny"
    final = load_file(whole / "checkpoint-final" / "model.safetensors")
    last = load_file(whole / "checkpoint-4" / "model.safetensors")
    average = load_file(whole / "checkpoint-4" / "averaged_weights.safetensors")
    assert all(torch.equal(final[name], average[name]) for name in average)
    name = "model.decoder.layers.0.fc1.weight"
    assert not torch.equal(final[name], last[name])
    config = json.loads((whole / "checkpoint-final" / "config.json").read_text())
    assert config["encoder_layerdrop"] == config["decoder_layerdrop"] == 0.0
    inputs = (tiny_model, speech_manifest)
    assert_resumes_exactly(finetune_all, inputs, whole, "checkpoint-4", more)


def test_moving_ranks_resume_exactly(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    more = {"adapter": "adalora", "lora_rank": 2, "adalora_init_rank": 4, "learning_rate": 0.01}
    more |= {"max_steps": 12, "save_steps": 6}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path / "whole", **more))
    whole = tmp_path / "whole" / "tiny"
    config = json.loads((whole / "checkpoint-final" / "adapter_config.json").read_text())
    ranks = [sum(kept) for kept in config["rank_pattern"].values()]
    assert sum(ranks) == 2 * len(ranks) and len(set(ranks)) > 1
    inputs = (tiny_model, speech_manifest)
    assert_resumes_exactly(finetune, inputs, whole, "checkpoint-12", more)


def test_a_model_may_begin_as_late_as_it_is_taught(
    demo_model: Path, speech_manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.loads(line) for line in speech_manifest.read_text("utf-8").splitlines()]
    lines[7] |= {"sentences": [{"start": 1.5, "end": 2.0, "text": "no"}]}
    manifest = speech_manifest.parent / "late_start.jsonl"
    manifest.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    loaded = load_model(str(demo_model))
    limit = partial(getattr, loaded.whisper.generation_config, "max_initial_timestamp_index")
    table = training_table(read_manifest(manifest), loaded.label_encoder(language="zh"), 0.5, 30.0)
    settings = FullSettings(train_data=str(manifest), timestamps=True)
    untimed = replace(table, rows=table.rows.select(range(7)))
    assert latest_start(settings, untimed, None) == 0.0
    assert "no line of" in capsys.readouterr().err
    earlier, later = (Augmenter(((1.0, Shift(ms, 0.0)),)) for ms in (0.0, -700.0))
    for augmenter, seconds in ((None, 1.5), (earlier, 1.5), (later, 2.2)):
        assert latest_start(settings, table, augmenter) == pytest.approx(seconds)
    assert capsys.readouterr().err == ""
    for seconds, expected in ((0.9, 50), (2.2, 110), (1.5, 110)):  # 50 is Whisper's second
        allow_late_starts(loaded, seconds)
        assert limit() == expected


def test_a_run_that_no_longer_improves_ends(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    more = {"max_steps": 20, "learning_rate": 1e-12, "early_stopping_patience": 2}
    more |= {"eval_steps": 1, "eval_on_start": True, "save_steps": 100}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    assert metrics(tmp_path / "tiny")[-1]["step"] == 2


def test_low_layers_can_be_frozen(tiny_model: Path, speech_manifest: Path, tmp_path: Path) -> None:
    more = {"freeze_layers": 1, "learning_rate": 1e-3, "max_steps": 2}
    finetune_all.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    before = load_file(tiny_model / "model.safetensors")
    after = load_file(tmp_path / "tiny" / "checkpoint-final" / "model.safetensors")
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert {name.split(".")[2] for name in still} == {"conv1", "conv2", "embed_positions", "layers"}
    assert all(name.startswith("model.encoder.") for name in still)
    assert {name.split(".")[3] for name in still if ".layers." in name} == {"0"}


@pytest.mark.parametrize(
    ("script", "more", "message"),
    [
        (finetune, {"keep_data": "SAME"}, "holds nothing but utterances of"),
        (finetune, {"keep_share": 1}, "expected a share above 0"),
        (finetune, {"timestamp_prob": 1.5}, "expected a share from 0 to 1"),
        (finetune, {"sampling_temperature": 0.5}, "expected 1 or more"),
        (finetune, {"concat": True, "audio_cache": 1}, "exclude each other"),
        (finetune, {"add_tokens": "nowhere.txt"}, "there is no such file"),
        (finetune, {"early_stopping_patience": 0}, "expected at least 1"),
        (finetune, {"lora_targets": "qproj"}, "is called 'qproj'"),
        (finetune_all, {"ema_decay": 1.0}, "expected a share between 0 and 1"),
        (finetune_all, {"layer_drop": 1.0}, "expected a layer_drop from 0 to below 1"),
        (finetune_all, {"freeze_layers": 9}, "the encoder has 2"),
        (finetune, {"report_to": "wandbb"}, "the Trainer knows no such tracker"),
    ],
)
def test_a_users_mistake_is_one_sentence(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    script: object,
    more: dict[str, object],
    message: str,
) -> None:
    more = {name: speech_manifest if value == "SAME" else value for name, value in more.items()}
    with pytest.raises(UserError, match=message):
        script.main(flags(tiny_model, speech_manifest, tmp_path / "output", **more))  # type: ignore


def test_a_language_that_the_tokenizer_lacks_is_named_with_its_line(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in speech_manifest.read_text("utf-8").splitlines()]
    lines[4]["language"] = "yue"
    data = speech_manifest.parent / "cantonese.jsonl"
    data.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    message = r"cantonese.jsonl, clip-4: the tokenizer has no token <\|yue\|>"
    with pytest.raises(UserError, match=message) as caught:
        finetune.main(flags(tiny_model, data, tmp_path / "output"))
    assert "--add_tokens" in str(caught.value.hint)
    (tmp_path / "tokens.txt").write_text("<|yue|>", encoding="utf-8")
    more = {"add_tokens": tmp_path / "tokens.txt", "max_steps": 1}
    finetune.main(flags(tiny_model, data, tmp_path / "output", **more))


def test_tensorboard_gets_the_numbers_of_the_metrics_file(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    more = {"report_to": "tensorboard", "eval_steps": 2, "eval_on_start": True}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    run = tmp_path / "tiny"
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    for name in ("loss", "learning_rate", "dev_cer", "dev_loss"):
        logged = {line["step"]: line[name] for line in metrics(run) if name in line}
        shown = {event.step: event.value for event in events.Scalars(name)}
        assert shown == pytest.approx(logged, rel=1e-5), name
    assert {event.step for event in events.Scalars("dev_cer")} == {0, 2, 4}
    assert all(each.value > 0 for each in events.Scalars("examples_per_second"))
    written = events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "per_device_train_batch_size: " in written
    shown = {each.step: each.tensor_proto for each in events.Tensors("dev_examples/text_summary")}
    assert set(shown) == {0, 2, 4}
    lines = [json.loads(li) for li in (run / "dev_examples.jsonl").read_text("utf-8").splitlines()]
    references = [each.sentence for each in read_manifest(speech_manifest)]
    for step in (0, 2, 4):
        of_step = [line for line in lines if line["step"] == step]
        assert [line["reference"] for line in of_step] == references[:EXAMPLES]
        for line in of_step:
            assert f"HYP  {' '.join(line['hypothesis'].split()) or '(nothing)'}" in (
                shown[step].string_val[0].decode()
            )


def test_a_tracker_must_be_known_and_installed() -> None:
    check_trackers(["wandb"], ["wandb", "mlflow"], ["wandb"])
    with pytest.raises(UserError, match="knows no such tracker") as caught:
        check_trackers(["wandbb"], ["wandb", "mlflow"], ["wandb"])
    assert "wandb?" in str(caught.value.hint)
    with pytest.raises(UserError, match="its package is not installed"):
        check_trackers(["mlflow"], ["wandb", "mlflow"], ["wandb"])
