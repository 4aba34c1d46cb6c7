"""What the documentation tells a reader to type is typed here, word for word.

The blocks of a page run one after another in a folder of their own, which holds the repository by
links, a few of the demo's utterances as `dataset/`, and the demo's base model under the names
`openai/whisper-tiny` and `openai/whisper-base`. A command `python SCRIPT ...` is given to a process
that has the libraries loaded; a block with anything else is given to bash. A block that cannot run
here carries its reason in a comment before it,

    <!-- not run by the tests: needs the 15 GB archive -->

and its commands are still held to existing scripts, flags and make targets.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import run_forked
from utils.cli.flags import parse_settings
from utils.manifest.read import read_manifest

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "README_zh.md", "CONTRIBUTING.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
FENCED = re.compile(
    r"(?:<!-- not run by the tests: (.+?) -->\s*\n)?^```bash\n(.*?)^```$", re.M | re.S
)
MODULES = {"http.server", "pip", "pytest", "venv", "pre_commit", "tensorboard.main"}
OTHER_PROGRAMS = {
    *("cat", "cd", "export", "ffmpeg", "git", "printf", "source", "tensorboard", ".ci/run"),
    "sherpa-onnx-offline",
}
UTTERANCES = {"train": 8, "dev": 3, "test": 4}


@dataclass(frozen=True)
class Block:
    """A fenced bash block, and why it is not run, if it is not."""

    text: str
    reason: str | None

    @property
    def is_of_scripts(self) -> bool:
        """Whether all are `python SCRIPT ...`, of which bash would only split the words."""
        unquoted = re.sub(r"'[^']*'|\"[^\"$`\\]*\"", "", self.text)
        return not re.search(r"[$`*?~|&;<>(){}\[\]]", unquoted) and all(
            words[0] == "python" and words[1].endswith(".py") for words in self.commands
        )

    @property
    def commands(self) -> list[list[str]]:
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks_of(page: Path) -> list[Block]:
    found = FENCED.findall(page.read_text(encoding="utf-8"))
    return [Block(text, reason or None) for reason, text in found]


def page_name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


RUN_PAGES = [
    page
    for page in PAGES
    # The Chinese README has the English one's commands; a test below holds it to that.
    if page.name != "README_zh.md" and any(block.reason is None for block in blocks_of(page))
]


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_names_what_exists(page, settings_of):
    for block in blocks_of(page):
        for command in block.commands:
            check_command(command, settings_of)


def check_command(command: list[str], settings_of: Callable[[str], type]) -> None:
    """Hold a command to existing programs, scripts, flags, modules and make targets."""
    while re.match(r"\w+=", command[0]):
        command = command[1:]
    program, *arguments = command
    if program == "make":
        makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
        known = re.findall(r"^\.PHONY: (.+)$", makefile, re.M)[0].split()
        assert [word for word in arguments if "=" not in word and word not in known] == []
    elif Path(program).name in ("python", "python3", "torchrun", "accelerate"):
        check_python(arguments, settings_of)
    else:
        assert program in OTHER_PROGRAMS, f"unknown program in {shlex.join(command)}"


def check_python(arguments: list[str], settings_of: Callable[[str], type]) -> None:
    """Hold the arguments of python or of a launcher to a known module or script and its flags."""
    if arguments[0] == "-m":
        assert arguments[1] in MODULES, arguments[1]
        for path in (word for word in arguments[2:] if word.startswith("tests/")):
            assert (REPOSITORY / path.partition("::")[0]).exists(), path
        return
    position = next(i for i, word in enumerate(arguments) if word.endswith(".py"))
    script, flags = arguments[position], arguments[position + 1 :]
    assert (REPOSITORY / script).is_file(), script
    if flags and not flags[0].startswith("-"):
        script += f" {flags.pop(0)}"
    if "/" not in script and "--help" not in flags:
        parse_settings(settings_of(script), flags, prog=script, description="")


def test_both_readmes_have_the_same_commands():
    english, chinese = (
        [(block.commands, block.reason is None) for block in blocks_of(REPOSITORY / name)]
        for name in ("README.md", "README_zh.md")
    )
    assert english
    assert chinese == english


def make_sandbox(folder: Path) -> None:
    """Fill a folder with what a reader's checkout holds, and a little data of their own."""
    for path in REPOSITORY.iterdir():
        if path.name not in (".git", ".venv", "dataset", "output", "models", "openai"):
            (folder / path.name).symlink_to(path)
    # The interpreter that runs these tests stands in for the one that `make` installs.
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "openai").mkdir()
    (folder / "openai" / "whisper-tiny").symlink_to(REPOSITORY / "demo" / "base")
    # A copy, not a link: evaluation.py refuses to compare a folder with itself.
    shutil.copytree(REPOSITORY / "demo" / "base", folder / "openai" / "whisper-base")
    (folder / "dataset").mkdir()
    for sample in (REPOSITORY / "dataset").glob("sample.*"):
        (folder / "dataset" / sample.name).symlink_to(sample)
    for part, count in UTTERANCES.items():
        manifest = read_manifest(REPOSITORY / "demo" / "zh" / f"{part}.jsonl")
        lines = [
            json.dumps(utterance.to_json(), ensure_ascii=False)
            for utterance in list(manifest.utterances)[:count]
        ]
        path = folder / "dataset" / f"{part}.json"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("page", RUN_PAGES, ids=page_name)
def test_the_commands_of_a_page_work_one_after_another(page, tmp_path):
    make_sandbox(tmp_path)
    for block in blocks_of(page):
        if block.reason is None:
            for done in run_block(block, tmp_path):
                said = f"{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
                assert done.returncode == 0, said
                assert "Traceback" not in done.stderr, said


def run_block(block: Block, folder: Path) -> Iterator[subprocess.CompletedProcess[str]]:
    """Run a block's commands in a folder, and return what became of each part."""
    if block.is_of_scripts:
        for _, *command in block.commands:
            yield run_forked(command, folder)
        return
    programs = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": programs + os.pathsep + os.environ["PATH"]}
    yield subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
