"""`--format=all`, other names for weights, and what ends a conversion."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from utils.cli.errors import UserError
from utils.export.formats import FORMATS, chosen_formats, find_format
from utils.export.parity import limit_of

for library in ("ctranslate2", "pywhispercpp", "onnxruntime", "sherpa_onnx", "whisper"):
    pytest.importorskip(library)


def test_all_writes_what_each_format_can_hold_and_says_the_rest(
    demo_model, convert_to, tmp_path, capsys
):
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, "--format=all") == 1
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"base-ct2", "base-ggml", "base-onnx", "base-sherpa"}
    told = capsys.readouterr()
    assert "openai: the tokenizer of" in told.out
    assert "1 of 5 formats were not written: openai" in told.err


def test_formats_without_the_quantization_are_left_out():
    chosen, lacking = chosen_formats("all", "int8")
    assert chosen == {"ct2": "int8", "ggml": "q8_0", "onnx": "int8", "sherpa": "int8"}
    assert lacking == ["openai"]


def test_a_quantization_of_no_format_is_refused():
    with pytest.raises(UserError, match="no format has the quantization 'int7'"):
        chosen_formats("all", "int7")


@pytest.mark.parametrize(
    ("form", "given", "own"),
    [("ggml", "float16", "f16"), ("openai", "f16", "float16"), ("ggml", "int8", "q8_0")],
)
def test_weights_may_have_another_programs_name(form, given, own):
    assert find_format(form, given)[1] == own


def test_every_quantization_has_a_limit():
    for found in FORMATS.values():
        limits = [limit_of(quantization) for quantization in found.quantizations]
        assert all(0 <= limit < 0.5 for limit in limits)
    assert limit_of("float32") == limit_of("f32") == 0
    assert limit_of("int8_float16") == limit_of("q8_0") > limit_of("f16") > 0


def test_a_program_of_another_format_is_refused(demo_model, convert_to, tmp_path, capsys):
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, "--format=onnx", "--program=const-me") == 2
    assert "--program=const-me reads ggml, and --format is onnx" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["ggml", "onnx"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    form, demo_model, convert_to, tmp_path, monkeypatch, capsys
):
    import utils.export.ggml as ggml
    import utils.export.onnx as onnx

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "model")

    monkeypatch.setattr({"ggml": ggml, "onnx": onnx}[form], "write", full)
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, f"--format={form}") == 1
    told = capsys.readouterr().err
    assert "could not be written: the disk is full" in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["weights", "config", "converted"])
def test_a_model_that_is_none_is_one_sentence(damage, demo_model, convert_to, tmp_path, capsys):
    folder = shutil.copytree(demo_model, tmp_path / "model")
    if damage == "weights":
        weights = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    elif damage == "config":
        (folder / "config.json").write_text("{")
    else:  # a folder of another program
        (folder / "model.safetensors").rename(folder / "model.bin")
    flags = [f"--model_path={folder}", f"--output_dir={tmp_path / 'models'}", "--clips=1"]
    assert convert_to(*flags, "--format=ggml") == 2
    told = capsys.readouterr().err
    assert str(folder) in told
    assert "Traceback" not in told
    assert not (tmp_path / "models").exists()


def test_what_stood_at_the_target_stays_when_the_check_fails(
    demo_model, convert_to, tmp_path, monkeypatch
):
    import utils.export.ggml as ggml

    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, "--format=ggml") == 0
    before = (tmp_path / "base-ggml" / "conversion.json").read_text()
    monkeypatch.setattr(ggml, "write", lambda loaded, folder, _: (folder / ggml.FILE).touch())
    assert convert_to(*flags, "--format=ggml") == 1
    assert (tmp_path / "base-ggml" / "conversion.json").read_text() == before
    assert json.loads(before)["quantization"] == "f16"
    assert [path.name for path in tmp_path.iterdir()] == ["base-ggml"]


def test_a_killed_conversion_leaves_nothing_that_looks_finished(
    demo_model, convert_to, tmp_path, repository
):
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=1"]
    data = f"--data={demo_model.parent / 'zh' / 'test.jsonl'}"
    process = subprocess.Popen(
        [sys.executable, "convert.py", data, *flags, "--format=ggml"],
        cwd=repository,
        stdout=subprocess.DEVNULL,
    )
    while process.poll() is None and not list(tmp_path.glob(".*.unfinished/*.bin*")):
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".base-ggml.")
    # A new process looks through the folder; this one may have done so before.
    assert (
        subprocess.run(
            [sys.executable, "convert.py", data, *flags, "--format=ggml"],
            cwd=repository,
            stdout=subprocess.DEVNULL,
        ).returncode
        == 0
    )
    assert [path.name for path in tmp_path.iterdir()] == ["base-ggml"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_type": "whisper2", "architectures": ["Whisper2"]}, "whisper2"),
        ({"d_model": None}, "d_model"),
        ({"encoder_layers": 7}, "encoder_layers"),
    ],
)
def test_a_model_of_another_version_is_one_sentence(
    demo_model, convert_to, tmp_path, capsys, changes, told
):
    folder = shutil.copytree(demo_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), "utf-8")
    flags = [f"--model_path={folder}", f"--output_dir={tmp_path / 'models'}", "--clips=1"]
    assert convert_to(*flags, "--format=ggml") == 2
    said = capsys.readouterr().err
    assert str(folder) in said
    assert told in said
    assert "Traceback" not in said
    assert not (tmp_path / "models").exists()


def test_unknown_fields_of_a_newer_version_are_no_obstacle(demo_model, convert_to, tmp_path):
    folder = shutil.copytree(demo_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"transformers_version": "9.0.0", "of_a_newer_version": {"x": 1}}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    flags = [f"--model_path={folder}", f"--output_dir={tmp_path / 'models'}", "--clips=1"]
    assert convert_to(*flags, "--format=ggml") == 0
