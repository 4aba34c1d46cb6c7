"""Every command of the published recipe's README, typed as it was, does what it did.

From README.md and README_en.md of yeyupiaoling/Whisper-Finetune, in their order. The demo's model
and a few of its utterances stand in for the hub's, as in tests/test_readme.py.
"""

from __future__ import annotations

import shlex
import shutil
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
