"""A library that is not installed is one error with the command that installs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from utils.cli import extras
from utils.cli.errors import UserError, run_script
from utils.cli.extras import expect_installed, how_to, is_installed

# Runs a script as if modules were not installed: `python -c ... a,b script.py --flag=...`.
HIDING = """
import importlib.util, runpy, sys
hidden = sys.argv[1].split(",")
found = importlib.util.find_spec
class Hider:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hider())
importlib.util.find_spec = lambda name, package=None: (
    None if name.partition(".")[0] in hidden else found(name, package)
)
sys.path.insert(0, "")
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("hidden", "command", "message", "hint"),
    [
        (
            "ctranslate2",
            "convert.py --model_path=demo/base",
            "CTranslate2 is not installed",
            "pip install -r requirements/ct2.txt -c constraints.txt",
        ),
        (
            "ray",
            "check_data.py --data=demo/zh/test.jsonl --engine=ray",
            "--engine=ray needs Ray, which is not installed",
            "pip install -r requirements/ray.txt -c constraints.txt, or leave --engine out",
        ),
        (
            "yt_dlp",
            "pseudo_label.py --audio=https://127.0.0.1/x --output_dir={folder}",
            "https://127.0.0.1/x needs yt-dlp to be downloaded",
            "pip install yt-dlp, or give a file",
        ),
        (
            "bitsandbytes",
            "finetune.py --use_8bit=True",
            "--use_8bit=True needs bitsandbytes, which is not installed",
            "pip install -r requirements.txt -c constraints.txt",
        ),
        (
            "bitsandbytes",
            "finetune.py --use_4bit=True",
            "--use_4bit=True needs bitsandbytes, which is not installed",
            "pip install -r requirements.txt -c constraints.txt",
        ),
        (
            "bitsandbytes",
            "finetune_all.py --optim=adamw_8bit",
            "--optim=adamw_8bit needs bitsandbytes, which is not installed",
            "pip install -r requirements.txt -c constraints.txt",
        ),
        (
            "neologdn",
            "evaluation.py --normalizer=japanese@1 --model_path=demo/base "
            "--test_data=demo/zh/test.jsonl --report_dir={folder}",
            "the normalizer 'japanese@1' needs neologdn, which is not installed",
            "pip install -r requirements/languages.txt -c constraints.txt, "
            "or choose a later version of it, which needs none.",
        ),
        (
            "rapidfuzz",
            "report.py --results={folder}",
            "rapidfuzz is not installed",
            "pip install -r requirements.txt -c constraints.txt",
        ),
    ],
    ids=lambda value: value.partition(" ")[0],
)
def test_what_is_asked_for_and_missing_is_named(
    hidden, command, message, hint, repository, tmp_path
):
    done = subprocess.run(
        [sys.executable, "-c", HIDING, hidden, *command.format(folder=tmp_path).split()],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-2:] == [f"error: {message}", f"  {hint}"]
    assert "Traceback" not in done.stderr


def test_a_module_of_ours_that_is_missing_stays_a_bug():
    def main(argv: object) -> None:
        import utils.no_such_room  # noqa: F401

    with pytest.raises(ModuleNotFoundError):
        run_script(main)


def test_a_library_that_asks_for_another_is_told_in_its_words(capsys):
    def main(argv: object) -> None:
        raise ImportError("Using `x` requires y: `pip install y`")

    assert run_script(main) == 2
    assert capsys.readouterr().err == "error: Using `x` requires y: `pip install y`\n"


def test_a_module_is_expected_by_the_flag_that_needs_it():
    expect_installed("yaml", "--config=a.yaml")
    assert not is_installed("no_such_module")
    with pytest.raises(UserError, match="--fast=True needs no_such_module, which is not installed"):
        expect_installed("no_such_module", "--fast=True")
    assert how_to("deepspeed").startswith("DS_BUILD_OPS=0 pip install -r requirements/deepspeed")


@pytest.mark.parametrize(("module", "file"), extras._FILES.items())
def test_the_file_that_is_named_for_a_module_installs_it(module: str, file: str, repository: Path):
    distributions = {
        "itn": "WeTextProcessing",
        "multipart": "python-multipart",
        "python_multipart": "python-multipart",
        "PySide6": "PySide6-Essentials",
        "sherpa_onnx": "sherpa-onnx",
        "whisper": "openai-whisper",
    }
    name = distributions.get(module, module)
    lines = (repository / file).read_text("utf-8")
    assert re.search(rf"^{re.escape(name)}\b", lines, flags=re.M), lines
