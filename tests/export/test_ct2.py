"""A converted folder holds all that others ask for, and says what the original says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import convert
from utils.audio.features import WINDOW_FRAMES, pad_samples
from utils.audio.load import load_audio
from utils.cli.errors import run_script
from utils.export.formats import find_format
from utils.manifest.read import read_manifest

pytest.importorskip("ctranslate2")

HELD = {
    *("model.bin", "config.json", "vocabulary.json", "tokenizer.json", "conversion.json"),
    *("preprocessor_config.json", "generation_config.json", "vocab.json", "merges.txt"),
}


def converted(*flags: str) -> int:
    return run_script(lambda _: convert.main(list(flags)))


@pytest.fixture(scope="module")
def int8(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    arguments = [f"--model_path={demo_model}", f"--output_dir={folder}", "--quantization=int8"]
    assert converted(*arguments, "--clips=4") == 0
    return folder / "base-ct2-int8"


def test_the_folder_holds_what_other_programs_ask_for(int8: Path):
    assert {path.name for path in int8.iterdir()} >= HELD
    config = json.loads((int8 / "config.json").read_text())
    settings = json.loads((int8 / "generation_config.json").read_text())
    assert config["alignment_heads"] == settings["alignment_heads"]
    assert config["lang_ids"] == sorted(settings["lang_to_id"].values())
    assert settings["audio_context"] == "mixed"


def test_what_fewer_bits_change_is_counted_and_named(int8: Path):
    parity = json.loads((int8 / "conversion.json").read_text())["parity"]
    assert parity["clips"] == 4
    assert parity["equal"] + len(parity["differing"]) == 4


def test_faster_whisper_reads_the_folder_and_hears_the_same(ct2_model: Path, demo_model: Path):
    faster_whisper = pytest.importorskip("faster_whisper")
    from utils.transcription.decoding import Decoding
    from utils.transcription.engines.registry import open_engine
    from utils.transcription.transcribe import transcribe_with_engine

    clips = list(read_manifest(demo_model.parent / "zh" / "test.jsonl"))[:3]
    model = faster_whisper.WhisperModel(str(ct2_model), device="cpu", cpu_threads=1)
    assert model.model.is_multilingual
    theirs = []
    for clip in clips:
        # Padded here: by itself it fills the window with zeros after the mel features.
        samples = pad_samples([load_audio(clip.audio)], WINDOW_FRAMES)[0].numpy()
        segments, _ = model.transcribe(
            samples, language="zh", beam_size=1, temperature=0.0, without_timestamps=True,
            condition_on_previous_text=False, no_speech_threshold=None, log_prob_threshold=None,
            compression_ratio_threshold=None,
        )  # fmt: skip
        theirs.append("".join(segment.text for segment in segments).strip())
    ours = transcribe_with_engine(
        lambda: open_engine(str(ct2_model)),
        clips,
        Decoding(audio_context="full", temperature_fallback=False),
    ).predictions
    assert [p.hypothesis for p in ours] == theirs


@pytest.mark.parametrize("form", ["ct2", "onnx"])
def test_an_adapter_is_merged_on_the_way(form: str, tiny_model: Path, tmp_path: Path):
    import torch
    from peft import LoraConfig, get_peft_model

    from utils.model.folders import save_model
    from utils.model.load import load_model

    base = load_model(str(tiny_model))
    adapted = get_peft_model(base.model, LoraConfig(target_modules=["q_proj"], r=2))
    torch.manual_seed(0)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.5)
    adapter = tmp_path / "run" / "checkpoint-best"
    adapted.peft_config["default"].base_model_name_or_path = str(tiny_model)
    save_model(adapted, base.processor, adapter, "mixed")
    flags = [f"--model_path={adapter}", f"--output_dir={tmp_path}", "--clips=3"]
    assert converted(*flags, f"--format={form}") == 0
    folder = tmp_path / f"run-checkpoint-best-{form}"
    conversion = json.loads((folder / "conversion.json").read_text())
    assert conversion["parity"]["equal"] == 3


def test_a_conversion_that_says_something_else_is_not_written(
    tiny_model: Path, demo_model: Path, tmp_path: Path, monkeypatch, capsys
):
    import utils.export.ct2 as ct2
    from utils.model.load import load_model

    def convert_another(loaded, folder, quantization):
        original(load_model(str(demo_model)), folder, quantization)

    original = ct2.write
    monkeypatch.setattr(ct2, "write", convert_another)
    assert converted(f"--model_path={tiny_model}", f"--output_dir={tmp_path}", "--clips=2") == 1
    assert "the converted model says something else on 2 of 2 clips" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_someone_else_is_left_alone(tiny_model: Path, tmp_path: Path, capsys):
    precious = tmp_path / "tiny-ct2" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    assert converted(f"--model_path={tiny_model}", f"--output_dir={tmp_path}", "--clips=1") == 2
    assert "was not written by convert.py" in capsys.readouterr().err
    assert precious.read_text() == "years of work"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--format=ct3"], "unknown format 'ct3'\n  Did you mean ct2? Formats: ct2, openai"),
        (["--quantization=int9"], "ct2 has no quantization 'int9'\n  Did you mean int8?"),
        (["--clips=0"], "--clips is 0, expected at least 1"),
        (["--model_path=no/such/model"], "there is no model folder no/such/model"),
    ],
)
def test_bad_input_is_one_clear_message(flags, message, tmp_path, capsys):
    assert converted(*flags, f"--output_dir={tmp_path}") == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_without_a_quantization_the_first_is_taken():
    assert find_format("ct2", None)[1] == "float32"


def test_the_converted_copy_needs_no_original(ct2_model: Path, tmp_path: Path):
    from utils.transcription.engines.registry import open_engine

    moved = shutil.copytree(ct2_model, tmp_path / "moved")
    assert open_engine(str(moved)).multilingual
