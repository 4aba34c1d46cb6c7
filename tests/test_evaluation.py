"""evaluation.py, from its flags to its reports and exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import evaluation
from tests.processes import run_forked
from utils.cli.errors import run_script
from utils.scoring.predictions import read_predictions

Evaluate = Callable[..., int]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two complete Whispers, `old` and `new`, of random weights."""
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperProcessor,
        WhisperTokenizer,
    )

    from demo.make.tokenizer import END_OF_TEXT, START, save_tokenizer, train_bpe
    from utils.model.audio_context.encoder import FlexibleWhisper
    from utils.model.folders import save_model

    folder = tmp_path_factory.mktemp("models")
    save_tokenizer(*train_bpe([" turn it off", "今", "天"], 280), folder / "tokenizer")
    tokenizer = WhisperTokenizer.from_pretrained(folder / "tokenizer")
    processor = WhisperProcessor(WhisperFeatureExtractor(), tokenizer)
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), END_OF_TEXT)
    config = WhisperConfig(
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_target_positions=16,
        decoder_start_token_id=START,
        **ends,
    )
    for seed, name in enumerate(("old", "new")):
        torch.manual_seed(seed)
        model = FlexibleWhisper(config)
        model.generation_config = GenerationConfig(decoder_start_token_id=START, **ends)
        save_model(model, processor, folder / name, "dynamic")
    return folder


@pytest.fixture
def evaluate(models: Path, speech_manifest: Path, tmp_path: Path) -> Evaluate:
    """Run the script's `main` on the new model and nine clips, other flags as given."""

    def run(**flags: Any) -> int:
        defaults = {
            "test_data": speech_manifest,
            "model_path": models / "new",
            "report_dir": tmp_path / "report",
            "cache_dir": tmp_path / "cache",
            "batch_size": 4,
        }
        arguments = [f"--{name}={value}" for name, value in {**defaults, **flags}.items()]
        return run_script(lambda _: evaluation.main(arguments))

    return run


def results(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8")))


def manifest_of(path: Path, like: Path, *changes: dict[str, Any]) -> Path:
    """Write a manifest with the first lines of another one, changed."""
    lines = [json.loads(line) for line in like.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["audio"] = {"path": str(like.parent / line["audio"]["path"])}
    changed = [{**line, **change} for line, change in zip(lines, changes, strict=False)]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed), encoding="utf-8")
    return path


def test_everything_is_written(evaluate: Evaluate, speech_manifest: Path, tmp_path: Path):
    assert evaluate() == 0
    report = tmp_path / "report"
    predictions = read_predictions(report / "predictions" / "new--speech.jsonl")
    assert [each.id for each in predictions] == [f"clip-{i}" for i in range(9)]
    assert {each.language for each in predictions} == {"zh", "en"}
    (score,) = results(tmp_path)["scores"]
    assert (score["metric"], score["normalizer"]) == ("cer", "chinese@2+english@2")
    assert (score["utterances"], score["failed"], score["dropped_utterances"]) == (9, 0, 0)
    assert len(score["manifest_sha256"]) == len(score["model_sha256"]) == 64
    assert score["decoding"]["audio_context"] == "dynamic"
    assert score["test_data"] == str(speech_manifest)
    assert (report / "report.md").read_text(encoding="utf-8").startswith("# Evaluation")
    assert not list(tmp_path.rglob("*unfinished*"))


def test_the_saved_settings_run_the_same_again(evaluate: Evaluate, tmp_path: Path):
    assert evaluate(seed=3, metric="mer") == 0
    first = results(tmp_path)
    settings = tmp_path / "report" / "settings.yaml"
    again = run_script(lambda _: evaluation.main([f"--config={settings}"]))
    assert again == 0
    second = results(tmp_path)
    assert first["scores"][0].pop("cost")["utterances"] == 9
    assert second["scores"][0].pop("cost")["cached_utterances"] == 9
    assert first.pop("made")["command"] != second.pop("made")["command"]
    assert second == first
    assert first["scores"][0]["metric"] == "mer"


def test_words_of_text_without_spaces_are_not_counted(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
):
    assert evaluate(metric="wer") == 2
    told = capsys.readouterr().err
    assert "which has text in zh: there are no spaces between words" in told
    assert "--metric=mer" in told


def test_a_baseline_is_compared_on_the_same_utterances(
    evaluate: Evaluate, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert evaluate(baseline=models / "old") == 0
    found = results(tmp_path)
    assert [score["model"] for score in found["scores"]] == ["old", "new"]
    (comparison,) = found["comparisons"]
    assert comparison["wins"] + comparison["losses"] + comparison["ties"] == 9
    old, new = (score["rate"] for score in found["scores"])
    assert comparison["difference"] == pytest.approx(new - old)
    assert "new against old on speech: CER" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gate", "exit_code", "words"),
    [
        ("cer<=100, failed<=0", 0, "gate: pass (exit code 0)"),
        ("cer<=0", 3, "gate: regress (exit code 3)"),
        ("cer<={rate}", 4, "gate: inconclusive (exit code 4)"),
    ],
)
def test_the_gate_has_three_answers(
    evaluate: Evaluate,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    gate: str,
    exit_code: int,
    words: str,
):
    assert evaluate() == 0
    rate = results(tmp_path)["scores"][0]["rate"]
    assert evaluate(gate=gate.format(rate=rate)) == exit_code
    assert words in capsys.readouterr().out
    assert results(tmp_path)["gate"]["exit_code"] == exit_code


def test_the_manifests_language_wins_over_the_flag(
    evaluate: Evaluate, speech_manifest: Path, tmp_path: Path
):
    data = manifest_of(
        tmp_path / "d.json", speech_manifest, {"language": None}, {}, {"language": "fr"}
    )
    assert evaluate(test_data=data, language="german") == 0
    predictions = read_predictions(tmp_path / "report" / "predictions" / "new--d.jsonl")
    assert [each.language for each in predictions] == ["de", "en", "fr"]
    (score,) = results(tmp_path)["scores"]
    assert (score["metric"], score["normalizer"]) == ("wer", "basic@2+english@2+french@1")


def test_without_a_language_it_is_that_of_the_text_and_is_said(
    evaluate: Evaluate,
    models: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    data = manifest_of(tmp_path / "d.json", speech_manifest, *[{"language": None}] * 2)
    assert evaluate(test_data=data, language=None, baseline=models / "old") == 0
    predictions = read_predictions(tmp_path / "report" / "predictions" / "new--d.jsonl")
    assert [each.language for each in predictions] == ["zh", "en"]
    names = {re.sub(r"@\d+", "", each["normalizer"]) for each in results(tmp_path)["scores"]}
    assert names == {"chinese+english"}
    captured = capsys.readouterr()
    assert "Chinese 50 % (as the text reads)" in captured.out + captured.err


def test_a_translation_is_scored_as_the_english_that_it_is(
    evaluate: Evaluate, speech_manifest: Path, tmp_path: Path
):
    spoken = {"language": "zh", "task": "translate"}
    data = manifest_of(tmp_path / "d.json", speech_manifest, spoken, {"task": "translate"})
    assert evaluate(test_data=data) == 0
    (score,) = results(tmp_path)["scores"]
    assert score["metric"] == "wer"
    assert re.fullmatch(r"english@\d+", score["normalizer"])
    assert {"bleu", "chrf"} <= set(score["figures"])


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"remove_pun": False}, "chinese-with-punctuation@1+none@1"),
        ({"to_simple": False}, "chinese-as-written@2+english@2"),
        ({"normalizer": "basic"}, "basic@2"),
    ],
)
def test_the_flags_of_normalisation_are_named_in_the_result(
    evaluate: Evaluate, tmp_path: Path, flags: dict[str, Any], name: str
):
    assert evaluate(**flags) == 0
    assert results(tmp_path)["scores"][0]["normalizer"] == name


def test_what_is_left_out_is_counted_and_named(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert evaluate(min_audio_len=1, max_audio_len=2) == 0
    told = capsys.readouterr()
    assert "6 of 9 utterances left out: clip-0 (0.60 s is shorter than 1 s)" in told.err
    assert "6 left out for their duration" in told.out
    dropped = (tmp_path / "report" / "dropped" / "speech.jsonl").read_text(encoding="utf-8")
    assert len(dropped.splitlines()) == 6
    assert results(tmp_path)["scores"][0]["dropped_utterances"] == 6
    assert evaluate() == 0
    assert not (tmp_path / "report" / "dropped" / "speech.jsonl").exists()


def test_unreadable_audio_is_named_and_stays_in_the_denominator(
    evaluate: Evaluate,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    (tmp_path / "broken.flac").write_bytes(b"no audio at all")
    broken = {"audio": {"path": str(tmp_path / "broken.flac")}, "id": "broken"}
    data = manifest_of(tmp_path / "d.jsonl", speech_manifest, broken, {})
    assert evaluate(test_data=data, metric="cer", gate="failed<=0") == 3
    told = capsys.readouterr().err
    assert "1 of 2 utterances could not be transcribed and count as deleted: broken (" in told
    assert "broken.flac" in told
    (score,) = results(tmp_path)["scores"]
    assert (score["failed"], score["utterances"]) == (1, 2)
    assert score["deletions"] >= len("打开空调")
    failed = read_predictions(tmp_path / "report" / "predictions" / "new--d.jsonl")[0]
    assert (failed.status, failed.hypothesis) == ("failed", "")


def _remove(folder: Path, name: str) -> Path:
    (folder / name).unlink()
    return folder


def _all_broken(tmp_path: Path, speech_manifest: Path) -> Path:
    (tmp_path / "broken.flac").write_bytes(b"")
    broken = {"audio": {"path": str(tmp_path / "broken.flac")}, "duration": 2.0}
    return manifest_of(tmp_path / "all_broken.jsonl", speech_manifest, broken)


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


BAD_INPUT: dict[str, tuple[Callable[[Path, Path, Path], dict[str, Any]], str]] = {
    "no model": (lambda m, d, t: {"model_path": t / "deep" / "none"}, "there is no model folder"),
    "model lacks a file": (
        lambda m, d, t: {
            "model_path": _remove(shutil.copytree(m / "new", t / "copy"), "model.safetensors")
        },
        "lacks model.safetensors",
    ),
    "baseline is the model": (
        lambda m, d, t: {"baseline": f"{m / 'new'}{os.sep}"},
        "is named twice; a model cannot be compared with itself",
    ),
    "no manifest": (lambda m, d, t: {"test_data": t / "none.json"}, "there is no such manifest"),
    "broken line": (
        lambda m, d, t: {"test_data": _written(t / "b.json", '{"audio": {"path": "a"}}\n{')},
        "2 lines cannot be used\n  line 1:",
    ),
    "empty test set": (
        lambda m, d, t: {"test_data": _written(t / "e.json", "\n")},
        "the manifest is empty",
    ),
    "nothing left": (
        lambda m, d, t: {"min_audio_len": 20},
        "all 9 utterances are left out: clip-0 (0.60 s is shorter than 20 s)",
    ),
    "unreadable audio only": (
        lambda m, d, t: {"test_data": _all_broken(t, d)},
        "none of the 1 utterances could be transcribed: clip-0 (",
    ),
    "unknown language": (lambda m, d, t: {"language": "Chinees"}, "Chinees"),
    "unknown flag": (lambda m, d, t: {"metrics": "cer"}, "metrics"),
    "unknown metric": (lambda m, d, t: {"metric": "cerr"}, "cerr"),
    "unknown normalizer": (lambda m, d, t: {"normalizer": "x"}, "unknown normalizer 'x'"),
    "misspelt gate": (lambda m, d, t: {"gate": "crr<=1"}, "the gate knows no 'crr'"),
    "gate on another metric": (lambda m, d, t: {"gate": "wer<=1"}, "this run counts cer"),
    "gate without baseline": (
        lambda m, d, t: {"gate": "cer.delta<=0"},
        "there is no model to compare with",
    ),
    "lengths swapped": (
        lambda m, d, t: {"min_audio_len": 5, "max_audio_len": 2},
        "expected 0 <= min_audio_len <= max_audio_len",
    ),
    "no batch": (lambda m, d, t: {"batch_size": 0}, "--batch_size is 0, expected at least 1"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_clear_message_and_exit_code_2(
    case: str,
    evaluate: Evaluate,
    models: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    flags, message = BAD_INPUT[case]
    report = tmp_path / "report"
    report.mkdir()
    earlier = '{"schema": 1, "of": "an earlier run"}'
    (report / "results.json").write_text(earlier)
    assert evaluate(**flags(models, speech_manifest, tmp_path)) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("error: ") == 1
    assert "Traceback" not in told
    assert (report / "results.json").read_text() == earlier


def test_checkpoints_of_two_runs_have_names_of_their_own(models: Path, tmp_path: Path):
    from utils.evaluation.models_and_sets import find_models

    for run in ("a", "b"):
        shutil.copytree(models / "new", tmp_path / run / "checkpoint-best")
    paths = [str(tmp_path / run / "checkpoint-best") for run in ("a", "b")]
    names = [model.name for model in find_models([*paths, str(models / "new"), "org/tiny"])]
    assert names == ["a-checkpoint-best", "b-checkpoint-best", "new", "tiny"]


def test_models_of_the_same_name_take_their_folders_along(models: Path, tmp_path: Path):
    from utils.evaluation.models_and_sets import find_models

    shutil.copytree(models / "new", tmp_path / "other" / "new")
    names = [
        model.name for model in find_models([str(tmp_path / "other" / "new"), str(models / "new")])
    ]
    assert names == ["other-new", f"{models.name}-new"]


@pytest.mark.parametrize("clips", [1, 9])
def test_two_processes_give_the_score_of_one_to_the_last_digit(
    clips: int,
    evaluate: Evaluate,
    models: Path,
    speech_manifest: Path,
    tmp_path: Path,
    repository: Path,
):
    data = manifest_of(tmp_path / "d.jsonl", speech_manifest, *[{}] * clips)
    assert evaluate(test_data=data, batch_size=2) == 0
    flags = {
        "test_data": data,
        "model_path": models / "new",
        "report_dir": tmp_path / "two",
        "cache_dir": tmp_path / "cache of two",
        "batch_size": 2,
    }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    done = run_forked(["evaluation.py", *arguments], repository, processes=2, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote ") == 1
    one, two = (json.loads((tmp_path / d / "results.json").read_text()) for d in ("report", "two"))
    for found in (one, two):
        del found["scores"][0]["predictions"], found["scores"][0]["cost"], found["made"]
    assert one == two
    hypotheses = [
        [
            (p.id, p.hypothesis)
            for p in read_predictions(tmp_path / d / "predictions" / "new--d.jsonl")
        ]
        for d in ("report", "two")
    ]
    assert hypotheses[0] == hypotheses[1]


def ready_lines(path: Path, ids: Sequence[str], text: str = "yes") -> Path:
    lines = [json.dumps({"id": each, "hypothesis": text}) for each in ids]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


IDS = [f"clip-{number}" for number in range(9)]


def test_several_models_on_several_sets_make_a_matrix(
    evaluate: Evaluate,
    models: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    few = manifest_of(tmp_path / "few.json", speech_manifest, {}, {})
    sets = f"{speech_manifest},small={few}"
    entries = f"{models / 'new'},second={models / 'old'}"
    assert evaluate(test_data=sets, model_path=entries, metric="cer") == 0
    found = results(tmp_path)
    pairs = [(score["model"], score["test_set"]) for score in found["scores"]]
    assert pairs == [("new", "speech"), ("new", "small"), ("second", "speech"), ("second", "small")]
    assert list(found["matrix"]) == ["speech", "small"]
    assert set(found["matrix"]["small"]) == {"new", "second"}
    assert found["comparisons"] == []
    files = {path.name for path in (tmp_path / "report" / "predictions").iterdir()}
    assert files == {f"{model}--{name}.jsonl" for model, name in pairs}
    told = capsys.readouterr().out
    assert "speech CER  small CER" in told
    report = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "## Models and test sets" in report and "## Cost" in report
    assert (tmp_path / "report" / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_every_model_is_held_against_every_baseline_on_every_set(
    evaluate: Evaluate, models: Path, speech_manifest: Path, tmp_path: Path
):
    few = manifest_of(tmp_path / "few.json", speech_manifest, {}, {})
    ready = ready_lines(tmp_path / "theirs--speech.jsonl", IDS)
    other = ready_lines(tmp_path / "theirs--few.jsonl", IDS[:2])
    sets = f"{speech_manifest},{few}"
    assert (
        evaluate(
            test_data=sets,
            baseline=models / "old",
            predictions=f"{ready},{other}",
            model_path=f"{models / 'new'}",
            metric="cer",
            gate="cer.delta<=100",
        )
        == 0
    )
    found = results(tmp_path)
    compared = [(c["model"], c["baseline"], c["test_set"]) for c in found["comparisons"]]
    assert compared == [
        (model, "old", name) for model in ("new", "theirs") for name in ("speech", "few")
    ]
    assert len(found["gate"]["conditions"]) == 4
    assert {(c["model"], c["test_set"]) for c in found["gate"]["conditions"]} == {
        (model, name) for model in ("new", "theirs") for name in ("speech", "few")
    }
    sentences = [c["sentence"] for c in found["gate"]["conditions"]]
    assert any("for new against old on few: CER change is" in each for each in sentences)


def test_a_file_of_gates_asks_each_set_and_its_parts(
    evaluate: Evaluate, models: Path, speech_manifest: Path, tmp_path: Path
):
    few = manifest_of(tmp_path / "few.json", speech_manifest, {}, {})
    gates = _written(
        tmp_path / "gates.yaml",
        "all: failed<=0\nspeech: cer.delta<=100\nfew[duration=0-2]: [ser.delta<=1, cer<=100]\n",
    )
    sets = {"test_data": f"{speech_manifest},{few}", "metric": "cer"}
    assert evaluate(baseline=models / "old", gate=gates, **sets) == 0
    asked = results(tmp_path)["gate"]["conditions"]
    assert [(c["condition"], c["model"], c["test_set"], c["baseline"]) for c in asked] == [
        ("failed<=0", "new", "speech", None),
        ("failed<=0", "new", "few", None),
        ("cer.delta<=100 on speech", "new", "speech", "old"),
        ("ser.delta<=1 on few[duration=0-2]", "new", "few", "old"),
        ("cer<=100 on few[duration=0-2]", "new", "few", None),
    ]


def test_a_gate_on_a_set_that_is_not_scored_is_refused(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert evaluate(gate=_written(tmp_path / "gates.yaml", "speach: cer<=1")) == 2
    assert "Did you mean speech?" in capsys.readouterr().err


def test_predictions_say_recording_and_source_from_the_cache_too(
    evaluate: Evaluate, speech_manifest: Path, tmp_path: Path
):
    data = manifest_of(tmp_path / "d.json", speech_manifest, {"source": "a clinic"}, {})
    written = tmp_path / "report" / "predictions" / "new--d.jsonl"
    assert evaluate(test_data=data) == 0
    first = read_predictions(written)
    assert [each.source for each in first] == ["a clinic", None]
    recordings = [json.loads(line)["audio"]["path"] for line in data.read_text().splitlines()]
    assert [each.recording for each in first] == recordings
    assert evaluate(test_data=data) == 0
    assert results(tmp_path)["scores"][0]["cost"]["cached_utterances"] == 2
    assert [(each.source, each.recording) for each in read_predictions(written)] == [
        (each.source, each.recording) for each in first
    ]


def test_predictions_that_were_missing_are_missing_when_they_are_read_again(
    evaluate: Evaluate, tmp_path: Path
):
    assert evaluate(model_path=ready_lines(tmp_path / "theirs.jsonl", IDS[:7])) == 0
    written = tmp_path / "report" / "predictions" / "theirs--speech.jsonl"
    assert [each.status for each in read_predictions(written)] == ["ok"] * 7 + ["missing"] * 2
    again = tmp_path / "again"
    assert evaluate(model_path=written, report_dir=again) == 0
    (score,) = json.loads((again / "results.json").read_text(encoding="utf-8"))["scores"]
    assert (score["missing"], score["extra_predictions"], score["utterances"]) == (2, 0, 9)


def test_ready_predictions_are_scored_without_the_default_model(evaluate: Evaluate, tmp_path: Path):
    ready = ready_lines(tmp_path / "theirs.jsonl", IDS, text="good morning")
    arguments = {"model_path": "models/whisper-tiny-finetune", "predictions": ready}
    assert evaluate(**arguments, metric="mer") == 0
    (score,) = results(tmp_path)["scores"]
    assert (score["model"], score["cost"], score["model_sha256"]) == ("theirs", None, None)
    assert score["decoding"] == {"engine": "ready predictions"}
    assert (score["missing"], score["extra_predictions"]) == (0, 0)


def test_the_scored_text_is_written_as_a_published_flag_asks(
    evaluate: Evaluate, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    ready, out = ready_lines(tmp_path / "theirs.jsonl", IDS, text="Good,  Morning!"), tmp_path / "o"
    assert evaluate(model_path=ready, metric="mer", out_data=out, normalizer="english") == 0
    assert out.read_text().splitlines() == [f"{each}\tgood morning" for each in IDS]
    assert f", {out}, " in capsys.readouterr().out
    two = f"{speech_manifest},{manifest_of(tmp_path / 'b.json', speech_manifest, {})}"
    assert evaluate(test_data=two, out_data=out) == 2
    assert "takes one model on one test set; found 1 and 2" in capsys.readouterr().err
    assert evaluate(model_path=ready, out_data=tmp_path) == 2
    assert "is a folder" in capsys.readouterr().err


def test_missing_predictions_count_as_deleted_and_extra_ones_nowhere(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    ready = ready_lines(tmp_path / "theirs.jsonl", [*IDS[:7], "who-is-this"])
    assert evaluate(model_path=ready, gate="failed<=0") == 0
    assert evaluate(model_path=ready, gate="missing<=0") == 3
    told = capsys.readouterr().err
    assert "2 of 9 utterances have no prediction and count as deleted: clip-7, clip-8" in told
    assert "1 predictions have ids that are not in" in told and "who-is-this" in told
    (score,) = results(tmp_path)["scores"]
    assert (score["failed"], score["missing"], score["extra_predictions"]) == (0, 2, 1)
    assert score["utterances"] == 9


def test_predictions_scored_where_they_lie_are_not_written_over(evaluate: Evaluate, tmp_path: Path):
    folder = tmp_path / "report" / "predictions"
    folder.mkdir(parents=True)
    ready = ready_lines(folder / "theirs--speech.jsonl", IDS[:5])
    before = ready.read_bytes()
    assert evaluate(model_path=ready) == 0
    assert ready.read_bytes() == before


def test_two_sets_may_have_the_same_ids(evaluate: Evaluate, speech_manifest: Path, tmp_path: Path):
    other = manifest_of(tmp_path / "b.json", speech_manifest, {"sentence": "something else"}, {})
    assert evaluate(test_data=f"{speech_manifest},{other}", metric="cer") == 0
    scores = results(tmp_path)["scores"]
    assert [score["utterances"] for score in scores] == [9, 2]
    read = [read_predictions(tmp_path / s["predictions"]) for s in scores]
    assert read[0][0].id == read[1][0].id
    assert read[0][0].reference != read[1][0].reference


def test_sets_of_one_file_name_take_their_folders_along(
    evaluate: Evaluate, speech_manifest: Path, tmp_path: Path
):
    paths = []
    for folder in ("zh", "en"):
        (tmp_path / folder).mkdir()
        paths.append(manifest_of(tmp_path / folder / "test.json", speech_manifest, {}))
    assert evaluate(test_data=",".join(map(str, paths))) == 0
    assert [s["test_set"] for s in results(tmp_path)["scores"]] == ["zh-test", "en-test"]


def test_a_converted_model_scores_what_the_original_scores(
    evaluate: Evaluate, demo_model: Path, ct2_model: Path, speech_manifest: Path, tmp_path: Path
):
    assert evaluate(model_path=ct2_model, baseline=demo_model) == 0
    original, converted = results(tmp_path)["scores"]
    assert converted["errors"] == original["errors"]
    assert converted["decoding"]["engine"].startswith("ctranslate2 ")
    assert len(converted["model_sha256"]) == 64
    assert converted["decoding"]["audio_context"] == original["decoding"]["audio_context"]


def test_an_unmerged_adapter_is_scored(evaluate: Evaluate, models: Path, tmp_path: Path):
    from peft import LoraConfig, get_peft_model

    from utils.model.folders import save_model
    from utils.model.load import load_model

    base = load_model(str(models / "old"))
    adapted = get_peft_model(base.model, LoraConfig(target_modules=["q_proj"], r=2))
    adapted.peft_config["default"].base_model_name_or_path = str(models / "old")
    for name in ("first", "second"):
        save_model(adapted, base.processor, tmp_path / name, "dynamic")
    entries = f"{tmp_path / 'first'},{tmp_path / 'second'}"
    assert evaluate(model_path=entries, baseline=models / "old") == 0
    # A fresh adapter changes nothing.
    assert len({score["rate"] for score in results(tmp_path)["scores"]}) == 1
    assert len(results(tmp_path)["comparisons"]) == 2


def test_without_a_cache_everything_is_measured_each_time(evaluate: Evaluate, tmp_path: Path):
    for _ in range(2):
        assert evaluate(no_cache=True) == 0
        cost = results(tmp_path)["scores"][0]["cost"]
        assert (cost["utterances"], cost["cached_utterances"]) == (9, 0)
        assert cost["real_time_factor"] > 0
        assert (cost["latency_seconds"], cost["batch_size"]) == ({}, 4)
        assert cost["model_memory_bytes"] > 0 and cost["threads"] and "torch" in cost["libraries"]
    assert not (tmp_path / "cache").exists()


def test_a_run_that_is_killed_goes_on(
    models: Path, speech_manifest: Path, tmp_path: Path, repository: Path
):
    """Killed for good, in the middle of the work; the second run only does the rest."""
    flags = {
        "test_data": speech_manifest,
        "model_path": models / "new",
        "report_dir": tmp_path / "report",
        "cache_dir": tmp_path / "cache",
        "batch_size": 2,
    }
    program = (
        "import os, signal, sys, evaluation\n"
        "from utils.transcription.cache import PredictionCache\n"
        "append, calls = PredictionCache.append, []\n"
        "def killing(*arguments):\n"
        "    append(*arguments)\n"
        "    calls.append(1)\n"
        "    if len(calls) == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "PredictionCache.append = killing\n"
        "evaluation.main(sys.argv[1:])\n"
    )
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    (tmp_path / "killed.py").write_text(program)
    killed = run_forked([str(tmp_path / "killed.py"), *arguments], repository)
    assert killed.returncode == -9
    assert not (tmp_path / "report").exists()
    assert run_script(lambda _: evaluation.main(arguments)) == 0
    cost = results(tmp_path)["scores"][0]["cost"]
    assert (cost["cached_utterances"], cost["utterances"]) == (4, 5)
    resumed = results(tmp_path)["scores"][0]
    assert run_script(lambda _: evaluation.main([*arguments, "--no_cache=True"])) == 0
    assert results(tmp_path)["scores"][0]["errors"] == resumed["errors"]


def test_other_files_of_the_report_folder_are_left_alone(evaluate: Evaluate, tmp_path: Path):
    mine = tmp_path / "report" / "predictions" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("keep me")
    assert evaluate() == 0
    assert evaluate() == 0
    assert mine.read_text() == "keep me"


def english_only(models: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(models / "new", tmp_path / "new.en")
    settings = json.loads((folder / "generation_config.json").read_text())
    settings["is_multilingual"] = False
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return folder


def with_mels(models: Path, tmp_path: Path, bins: int) -> Path:
    folder = shutil.copytree(models / "new", tmp_path / "mels")
    for name in ("preprocessor_config.json", "processor_config.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace('"feature_size": 80', f'"feature_size": {bins}'))
    return folder


MISFITS: dict[str, tuple[Callable[[Path, Path, Path], dict[str, Any]], str]] = {
    "an English model and Chinese": (
        lambda m, d, t: {"model_path": english_only(m, t)},
        "knows English only; the test set asks for zh (5 utterances)",
    ),
    "an English model and translation": (
        lambda m, d, t: {
            "model_path": english_only(m, t),
            "test_data": manifest_of(t / "e.json", d, {"language": "English", "task": "translate"}),
        },
        "knows English only and cannot translate (1 utterances ask for it)",
    ),
    "a language without a token": (
        lambda m, d, t: {"test_data": manifest_of(t / "y.json", d, {"language": "yue"})},
        "has no token for yue (1 utterances)",
    ),
    "other mel bins": (
        lambda m, d, t: {"model_path": with_mels(m, t, 128)},
        "feature_size is 128; expected 80, as num_mel_bins of config.json",
    ),
    "a model twice": (
        lambda m, d, t: {"model_path": f"{m / 'new'},{m / 'new'}"},
        "is named twice; a model cannot be compared with itself",
    ),
    "a name twice": (
        lambda m, d, t: {"model_path": f"a={m / 'new'},a={m / 'old'}"},
        "the name 'a' is given to",
    ),
    "a set twice": (
        lambda m, d, t: {"test_data": f"{d},again={d}"},
        "is named twice; a test set cannot be compared with itself",
    ),
    "a name that is no file name": (
        lambda m, d, t: {"model_path": f".hidden={m / 'new'}"},
        "cannot be a name",
    ),
    "no predictions file": (
        lambda m, d, t: {"model_path": t / "none.jsonl"},
        "none.jsonl: no such predictions file",
    ),
    "predictions of another set": (
        lambda m, d, t: {"model_path": ready_lines(t / "p.jsonl", ["x", "y"])},
        "none of its 2 ids is in the test set",
    ),
    "predictions with an id twice": (
        lambda m, d, t: {"model_path": ready_lines(t / "p.jsonl", ["clip-0", "clip-0"])},
        "line 2: id 'clip-0' stands in line 1 already",
    ),
    "predictions of which set": (
        lambda m, d, t: {
            "model_path": ready_lines(t / "p.jsonl", IDS),
            "test_data": f"{d},{manifest_of(t / 'few.json', d, {})}",
        },
        "which of the test sets is it for (speech, few)?",
    ),
    "predictions of one set only": (
        lambda m, d, t: {
            "model_path": ready_lines(t / "p--few.jsonl", IDS),
            "test_data": f"{d},{manifest_of(t / 'few.json', d, {})}",
        },
        "there are no predictions of p for the test set speech",
    ),
    "a gate on a metric that no set counts": (
        lambda m, d, t: {
            "test_data": f"{d},{manifest_of(t / 'few.json', d, {})}",
            "gate": "wer<=1",
        },
        "this run counts cer",
    ),
    "results of another program": (
        lambda m, d, t: {"report_dir": _written(t / "results.json", "not ours").parent},
        "results.json was not written by evaluation.py, and would be replaced",
    ),
    "a report folder that is a file": (
        lambda m, d, t: {"report_dir": _written(t / "file", "text")},
        "is a file",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_together_is_one_clear_message(
    case: str,
    evaluate: Evaluate,
    models: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    flags, message = MISFITS[case]
    assert evaluate(**flags(models, speech_manifest, tmp_path)) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("error: ") == 1
    assert "Traceback" not in told


def test_help_answers_without_loading_a_model_library(repository: Path):
    program = (
        "import sys, evaluation\n"
        "try: evaluation.main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--baseline" in done.stdout


def test_ready_predictions_take_their_length_from_the_audio(evaluate: Evaluate, tmp_path: Path):
    ready = ready_lines(tmp_path / "theirs.jsonl", IDS[:8])
    assert evaluate(model_path=ready) == 0
    written = read_predictions(tmp_path / "report" / "predictions" / "theirs--speech.jsonl")
    # The ninth has no prediction, and its length all the same.
    assert [each.audio_seconds for each in written] == pytest.approx(
        [0.6 + 0.3 * number for number in range(9)], abs=0.01
    )
