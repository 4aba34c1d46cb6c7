"""Every command of the published recipe's README, typed as it was, does what it did.

From README.md and README_en.md of yeyupiaoling/Whisper-Finetune, in their order; the defaults are
those of its scripts and of shuaijiang/Whisper-Finetune's. The demo's model and a few of its
utterances stand in for the hub's, as in tests/test_readme.py.
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from tests.processes import run_forked
from tests.test_readme import REPOSITORY, make_sandbox
from utils.cli.flags import parse_settings
from utils.cli.former_names import SUCCESSORS, new_command

TRAIN = "finetune.py --base_model=openai/whisper-tiny --output_dir=output/"
PUBLISHED = [
    f"CUDA_VISIBLE_DEVICES=0 python {TRAIN}",
    f"torchrun --nproc_per_node=2 {TRAIN}",
    f"accelerate launch {TRAIN}",
    "python merge_lora.py --lora_model=output/whisper-tiny/checkpoint-best/ --output_dir=models/",
    "python evaluation.py --model_path=models/whisper-tiny-finetune --metric=cer",
    "python infer.py --audio_path=dataset/test.wav --model_path=models/whisper-tiny-finetune",
    "python infer_tfs.py --audio_path=dataset/test.wav --model_path=models/whisper-tiny-finetune",
    "python infer_gui.py --model_path=models/whisper-tiny-finetune",
    "python infer_server.py --host=0.0.0.0 --port=5000 "
    "--model_path=models/whisper-tiny-finetune-ct2 --num_workers=2",
    "ct2-transformers-converter --model models/whisper-tiny-finetune "
    "--output_dir models/whisper-tiny-finetune-ct2 "
    "--copy_files tokenizer.json preprocessor_config.json --quantization float16",
    "python infer_ct2.py --audio_path=dataset/test.wav "
    "--model_path=models/whisper-tiny-finetune-ct2",
    "python convert-ggml.py --model_dir=models/whisper-tiny-finetune/ "
    "--output_path=models/whisper-tiny-finetune-ggml.bin",
]
SERVING = ("infer_gui.py", "infer_server.py")
"""They run until they are stopped; tests/serving starts them."""


def script_of(command: str) -> tuple[str, list[str]]:
    """The script of a command and its flags."""
    words = shlex.split(command)
    place = next(i for i, word in enumerate(words) if word.endswith(".py"))
    return words[place], words[place + 1 :]


@pytest.mark.parametrize("command", [each for each in PUBLISHED if ".py" in each])
def test_the_flags_are_known(command, settings_of):
    script, flags = script_of(command)
    if script in SUCCESSORS:
        (script, *flags), _ = new_command(script, flags)
    if not (REPOSITORY / script).is_file():
        assert script in SERVING
        pytest.skip(f"{script} is not part of this checkout")
    parse_settings(settings_of(script), flags, prog=script, description="")


@pytest.mark.timeout(1000)
def test_the_commands_work_one_after_another(tmp_path):
    pytest.importorskip("ctranslate2", reason="ctranslate2 is an extra")
    make_sandbox(tmp_path)
    make_wav(tmp_path / "dataset" / "test.wav")
    for command in PUBLISHED:
        if "nproc" in command or "accelerate" in command:
            continue  # the same flags; tests/test_launchers.py starts several processes
        if command.startswith("ct2-transformers-converter"):
            command = "python convert.py --model_path=models/whisper-tiny-finetune --format=ct2"
        script, flags = script_of(command)
        if script in SERVING:
            continue
        if script == "convert-ggml.py":
            # Tuned on eight utterances a model is unsure, and its text another in 16 bits.
            shutil.rmtree(tmp_path / "models" / "whisper-tiny-finetune")
            shutil.copytree(REPOSITORY / "demo" / "base", tmp_path / "models/whisper-tiny-finetune")
        if script.startswith("convert"):
            flags.append("--data=dataset/test.json")
        done = run_forked([script, *flags], tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr[-4000:]}"
        if script in SUCCESSORS:
            new, _ = new_command(script, flags)
            assert f"the same command is\n    python {shlex.join(new)}\n" in done.stdout
        if script.startswith("infer"):
            transcripts = tmp_path / "output" / "transcripts"
            assert {path.suffix for path in transcripts.glob("test.*")} >= {".txt", ".srt"}
            for path in transcripts.glob("test.*"):
                path.unlink()
    assert (tmp_path / "models" / "whisper-tiny-finetune-ct2" / "model.bin").is_file()
    assert list((tmp_path / "models" / "whisper-tiny-finetune-ggml").glob("*.bin"))


def make_wav(path: Path) -> None:
    """A wave file of the demo's."""
    import soundfile

    from utils.audio.load import load_audio
    from utils.manifest.read import read_manifest

    first = next(iter(read_manifest(REPOSITORY / "demo" / "zh" / "test.jsonl").utterances))
    soundfile.write(path, load_audio(first.audio), 16_000)


def test_renamed_and_useless_flags():
    flags = ["--num_beams=3", "--use_compile=False", "--language", "None"]
    assert new_command("infer_tfs.py", flags) == (
        ["infer.py", "--beam_size=3", "--language", "None"],
        ["--use_compile=False"],
    )
    assert new_command("convert-ggml.py", ["--model_dir", "m", "--output_path", "m.bin"]) == (
        ["convert.py", "--format=ggml", "--model_path", "m"],
        ["--output_path", "m.bin"],
    )


PUBLISHED_DEFAULTS = {
    "finetune.py": {
        "warmup_steps": 50,
        "logging_steps": 100,
        "eval_steps": 1000,
        "save_steps": 1000,
        "num_workers": 8,
        "learning_rate": 1e-3,
        "min_audio_len": 0.5,
        "max_audio_len": 30,
        "use_adalora": True,
        "fp16": True,
        "use_8bit": False,
        "timestamps": False,
        "use_compile": False,
        "local_files_only": False,
        "num_train_epochs": 3,
        "language": "Chinese",
        "task": "transcribe",
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 8,
        "gradient_accumulation_steps": 1,
        "save_total_limit": 10,
    },
    "finetune_all.py": {
        "freeze_encoder": True,
        "warmup_steps": 1000,
        "learning_rate": 1e-5,
        "num_workers": 4,
        "local_files_only": True,
        "per_device_eval_batch_size": 1,
    },
    "merge_lora.py": {"output_dir": "models/", "local_files_only": False},
    "evaluation.py": {
        "out_data": "dataset/out.txt",
        "model_path": "models/whisper-large-v3-finetune",
        "num_beams": 4,
        "batch_size": 8,
        "num_workers": 8,
        "language": "Chinese",
        "remove_pun": True,
        "to_simple": True,
        "timestamps": False,
        "local_files_only": True,
        "task": "transcribe",
        "metric": "cer",
    },
    "infer.py": {"beam_size": 10, "vad_filter": False, "local_files_only": True},
    "infer_server.py": {"host": "0.0.0.0", "port": 5000, "beam_size": 10, "use_gpu": True},
}
"""Of both published versions, the one with finetune_all.py and the one without."""


def test_the_migration_page_names_every_default_that_changed(settings_of):
    page = (REPOSITORY / "docs" / "migration.md").read_text(encoding="utf-8")
    chinese = (REPOSITORY / "docs" / "zh.md").read_text(encoding="utf-8")
    changed = {
        (script, name)
        for script, published in PUBLISHED_DEFAULTS.items()
        if (REPOSITORY / script).is_file()
        for name, value in published.items()
        if {each.name: each.default for each in fields(settings_of(script))}[name] != value
    }
    assert ("finetune.py", "use_adalora") in changed and ("finetune.py", "use_8bit") not in changed
    missing = [each for each in changed if f"--{each[1]}=" not in page]
    assert not missing
    assert not [each for each in changed if f"--{each[1]}=" not in chinese]
