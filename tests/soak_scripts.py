"""Kill each script that prepares, converts or reports again and again; the next run ends as ever.

    python tests/soak_scripts.py                        # a part of `make soak`
    python tests/soak_scripts.py --only=pack,convert --kills=5

Each script is run once undisturbed, then killed with -9 and all its processes, at random moments of
so long a time, and started once more by the very same command. What it then leaves must be the same
files, and no others, with the same bytes; times that were measured are left aside.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# A script's own folder is on the path; the repository, which holds `utils` and `tests`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.soak import PATIENCE, REPOSITORY, kill_all
from tests.test_aishell import corpus_files, write_archive
from utils.cli.console import say
from utils.cli.errors import Failure, UserError, run_script
from utils.cli.flags import parse_settings

MEASURED = re.compile(rb'"(seconds|work_seconds|peak_memory\w*|[a-z_]*seconds_per\w*)": [^,}\n]+')
"""What is measured, and so never the same."""


@dataclass(frozen=True)
class SoakSettings:
    """How often, and what."""

    kills: int = 15
    """Kills of each script."""
    only: tuple[str, ...] = field(default=())
    """Names of scripts, separated by commas; none of them means all."""
    output_dir: str = "output/soak-scripts"
    """Folder for all that is written; what an earlier soak left there is removed."""
    seed: int = 0
    """Of the moments."""


@dataclass(frozen=True)
class Script:
    """One of them.

    Attributes:
        command: run in a folder of its own, so that both runs say and write the same.
        prepare: makes what it needs there.
    """

    command: str
    prepare: Callable[[Path], object] = lambda _: None


def _archive(folder: Path) -> None:
    write_archive(folder / "data_aishell.tgz", corpus_files())


def _table(folder: Path) -> None:
    lines = (REPOSITORY / "demo/en/train.jsonl").read_text("utf-8").splitlines()
    rows = ["path\tsentence"]
    for line in map(json.loads, lines):
        rows.append(f"{REPOSITORY / 'demo/en' / line['audio']['path']}\t{line['sentence']}")
    (folder / "table.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _evaluation(folder: Path) -> None:
    lines = (REPOSITORY / "demo/en/test.jsonl").read_text("utf-8").splitlines()
    ready = ({"id": each["id"], "hypothesis": each["sentence"]} for each in map(json.loads, lines))
    (folder / "ready.jsonl").write_text("".join(json.dumps(each) + "\n" for each in ready))
    command = "evaluation.py --test_data={demo}/en/test.jsonl --predictions=ready.jsonl"
    subprocess.run(_spelled(f"{command} --report_dir=evaluated"), cwd=folder, check=True)


SCRIPTS = {
    "aishell": Script("aishell.py --filepath=data_aishell.tgz", _archive),
    "custom": Script("custom.py table --path=table.tsv --output_dir=out", _table),
    "pack": Script("custom.py pack --path={demo}/train.jsonl --output_dir=out --shard_size=1MB"),
    "fix": Script("check_data.py --data={demo}/train.jsonl --fix=out/fixed.jsonl --language=en"),
    "convert": Script("convert.py --model_path={demo}/base --clips=2 --output_dir=out"),
    "report": Script("report.py --results=evaluated/results.json --output_dir=out", _evaluation),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run each undisturbed, then the kills; 0 if everything is equal."""
    settings = parse_settings(SoakSettings, argv, prog="soak_scripts.py", description=__doc__ or "")
    unknown = sorted(set(settings.only) - set(SCRIPTS))
    if unknown or settings.kills < 1:
        raise UserError(f"--only={','.join(unknown)}: expected some of {', '.join(SCRIPTS)}")
    place = Path(settings.output_dir).resolve()
    shutil.rmtree(place, ignore_errors=True)
    differing = []
    for name in settings.only or SCRIPTS:
        differing += _soak(name, place / name, settings)
    for line in differing:
        say(f"DIFFERENT: {line}")
    say("NOT EQUAL" if differing else "equal: the same files, byte for byte")
    return int(bool(differing))


def _soak(name: str, place: Path, settings: SoakSettings) -> list[str]:
    moments = random.Random(f"{settings.seed} {name}")
    folders = [place / "undisturbed" / "work", place / "killed" / "work"]
    for folder in folders:
        folder.mkdir(parents=True)
        SCRIPTS[name].prepare(folder)
    began = time.monotonic()
    _finish(_start(name, folders[0]), name)
    length = time.monotonic() - began
    kills = ends = 0
    while kills < settings.kills:
        process = _start(name, folders[1])
        try:
            process.wait(moments.uniform(0, length))
            ends += 1
            if ends > settings.kills:
                break
        except subprocess.TimeoutExpired:
            kill_all(process)
            kills += 1
    _finish(_start(name, folders[1]), name)
    expected, found = ({**_content(folder)} for folder in folders)
    differing = [
        f"{name}: {path}"
        for path in sorted({*expected, *found})
        if expected.get(path) != found.get(path)
    ]
    say(
        f"{name}: {kills} kills in {length:.1f} s each, {ends} ended before: "
        f"{len(expected)} files, {len(differing)} different"
    )
    return differing


def _spelled(command: str) -> list[str]:
    script, *flags = command.format(demo=REPOSITORY / "demo").split()
    return [sys.executable, str(REPOSITORY / script), *flags]


def _start(name: str, folder: Path) -> subprocess.Popen[bytes]:
    # Caches outlive a run, and would spare the next one the work that is to be killed.
    environment = {"XDG_CACHE_HOME": str(folder.parent / "cache"), "HF_HUB_OFFLINE": "1"}
    with open(folder.parent / "log.txt", "ab") as log:
        return subprocess.Popen(
            _spelled(SCRIPTS[name].command),
            cwd=folder,
            env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
        )


def _finish(process: subprocess.Popen[bytes], name: str) -> None:
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        kill_all(process)
        raise Failure(f"{name} hangs") from None
    if code not in (0, 1 if name == "fix" else 0):  # the demo's data has findings
        raise Failure(f"{name} ended with exit code {code}", "Look at its log.txt.")


def _content(folder: Path) -> dict[str, bytes]:
    """What lies below a folder, file by file, hidden ones too."""
    return {
        str(path.relative_to(folder)): MEASURED.sub(b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    sys.exit(run_script(main))
