"""Kill a fine-tuning run again and again, and hold what it ends with to a run that was left alone.

    python tests/soak.py                       # what `make soak` calls: 100 kills, two processes
    python tests/soak.py --kills=3 --processes=1 --max_steps=10
    python tests/soak.py --recipe=distillation --kills=10

Trains the demo's model with AdaLoRA, or another recipe, with dropout and augmentation. Each start
is the very same command; it is killed with -9, with all its processes, at a random moment: while it
starts, trains, or writes a checkpoint. Now and then the newest checkpoint is damaged before the
next start, and once no file may grow beyond half of a checkpoint's, as on a full disk. When the run
has ended by itself its weights must be those of the undisturbed run, byte for byte, and so must its
metrics.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from utils.cli.console import say
from utils.cli.errors import Failure, UserError, run_script
from utils.cli.flags import parse_settings
from utils.model.checksums import find_damage
from utils.model.folders import UNFINISHED, checkpoints
from utils.training.resume.checkpoints import step_of

REPOSITORY = Path(__file__).resolve().parent.parent
PATIENCE = 600.0
"""Seconds that a start may take before it counts as hanging."""
RECIPES = {
    "adalora": ["--use_adalora=True"],
    "pissa": ["--adapter=pissa"],
    "distillation": ["--keep_data={data}/keep.jsonl", "--keep_mode=distill", "--keep_share=0.3"],
    "tokens": ["--add_tokens={data}/tokens.txt"],
    "auto_batch": ["--auto_batch=True"],
}
"""What is trained, by name: further flags."""
MOMENTS = {"starting": 1, "training": 4, "writing": 5}
"""When the run is killed, and how often."""


@dataclass(frozen=True)
class SoakSettings:
    """How often, and what."""

    recipe: Literal["adalora", "pissa", "distillation", "tokens", "auto_batch"] = "adalora"
    """What is trained."""
    kills: int = 100
    """Starts that are killed."""
    processes: int = 2
    """Processes that train."""
    max_steps: int = 40
    """Steps of the run."""
    damage_share: float = 0.25
    """Share of the kills after which the newest checkpoint is damaged."""
    disk_full: bool = True
    """Let the disk be full once."""
    output_dir: str = "output/soak"
    """Folder for all that is written; what an earlier soak left there is removed."""
    seed: int = 0
    """Of the moments and the damage."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the reference, then the kills; 0 if everything is equal."""
    settings = parse_settings(SoakSettings, argv, prog="soak.py", description=__doc__ or "")
    if settings.kills < 1 or settings.processes < 1 or settings.max_steps < 10:
        raise UserError("expected at least 1 kill, 1 process and 10 steps")
    return Soak(settings).run()


class Soak:
    """One soak from start to end."""

    def __init__(self, settings: SoakSettings) -> None:
        self.settings = settings
        self.random = random.Random(settings.seed)
        self.place = Path(settings.output_dir).resolve()
        self.counts: Counter[str] = Counter()
        self.start_seconds = 10.0

    def run(self) -> int:
        """Do it, and say how it went."""
        began = time.monotonic()
        shutil.rmtree(self.place, ignore_errors=True)
        self._write_data()
        reference = self.place / "reference"
        self._wait(self._start(reference), "the reference")
        first = min(path.stat().st_mtime for path in checkpoints(self._run_folder(reference)))
        self.start_seconds = max(1.0, first - (self.place / "data").stat().st_mtime)
        rounds, differing = 0, []
        while self.counts["kills"] < self.settings.kills:
            rounds += 1
            folder = self.place / f"round-{rounds}"
            self._one_round(folder)
            differing += [
                f"round {rounds}: {each}" for each in self._differences(folder, reference)
            ]
        counted = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
        say(f"{rounds} round(s), {time.monotonic() - began:.0f} s: {counted}")
        for line in differing:
            say(f"DIFFERENT: {line}")
        say("NOT EQUAL" if differing else "equal: weights and metrics, byte for byte")
        return int(bool(differing))

    def _one_round(self, folder: Path) -> None:
        """Start a run until it ends by itself; kill it before, as long as kills are left."""
        while True:
            if self.settings.disk_full and not self.counts["full disks"] and self._may_fill(folder):
                self._fill_disk(folder)
            process = self._start(folder)
            left = self.counts["kills"] < self.settings.kills
            if not left or not self._kill_at_some_moment(process, folder):
                self._wait(process, "a run that nobody killed")
                return
            self._maybe_damage(folder)

    # -- the run ------------------------------------------------------------------------------

    def _write_data(self) -> None:
        """A few of the demo's utterances: the steps are to be quick."""
        data = self.place / "data"
        data.mkdir(parents=True)
        (data / "tokens.txt").write_text("Fledermaus\n<|yue|>\n", encoding="utf-8")
        train, dev = (
            (REPOSITORY / "demo" / f"{part}.jsonl").read_text("utf-8").splitlines()
            for part in ("train", "dev")
        )
        for part, lines in (("train", train[:24]), ("keep", train[24:32]), ("dev", dev[:4])):
            values = [json.loads(line) for line in lines]
            for value in values:
                value["audio"]["path"] = str(REPOSITORY / "demo" / value["audio"]["path"])
            (data / f"{part}.jsonl").write_text(
                "".join(json.dumps(value) + "\n" for value in values), encoding="utf-8"
            )

    def _command(self, folder: Path, workers: int) -> list[str]:
        launcher = [sys.executable]
        if self.settings.processes > 1:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            count = f"--nproc_per_node={self.settings.processes}"
            launcher += ["-m", "torch.distributed.run", count]
            launcher += ["--master_addr=127.0.0.1", f"--master_port={port}"]
        return [
            *launcher,
            "finetune.py",
            "--base_model=demo/base",
            f"--train_data={self.place / 'data' / 'train.jsonl'}",
            f"--dev_data={self.place / 'data' / 'dev.jsonl'}",
            f"--output_dir={folder}",
            f"--max_steps={self.settings.max_steps}",
            f"--num_workers={workers}",
            *(flag.format(data=self.place / "data") for flag in RECIPES[self.settings.recipe]),
            "--lora_rank=4",
            "--lora_dropout=0.1",
            "--augment_config_path=configs/augmentation.json",
            "--per_device_train_batch_size=2",
            "--audio_context=dynamic",
            "--warmup_steps=3",
            "--logging_steps=3",
            "--eval_steps=8",
            "--save_steps=2",
            "--save_total_limit=3",
            "--eval_on_start=False",
        ]

    def _start(self, folder: Path, file_limit: int | None = None) -> subprocess.Popen[bytes]:
        folder.mkdir(parents=True, exist_ok=True)
        # Memory that readers share counts as files too, so with the limit there are none of them.
        workers = 1 if file_limit is None else 0
        command = self._command(folder, workers)
        if file_limit is not None:
            limit = f'ulimit -f {file_limit // 1024}; exec "$@"'
            command = ["bash", "-c", limit, "bash", *command]
        with open(folder / "log.txt", "ab") as log:
            return subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
                stdout=log,
                stderr=log,
            )

    def _run_folder(self, folder: Path) -> Path:
        return folder / "base"

    def _wait(self, process: subprocess.Popen[bytes], what: str) -> None:
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            kill_all(process)
            raise Failure(f"{what} hangs", f"Look at log.txt in {self.place}") from None
        if code != 0:
            raise Failure(f"{what} ended with exit code {code}", f"Look at {self.place}/*/log.txt")

    # -- what happens to it -------------------------------------------------------------------

    def _kill_at_some_moment(self, process: subprocess.Popen[bytes], folder: Path) -> bool:
        """Kill the run; False if it ended by itself before."""
        moment = self.random.choices(list(MOMENTS), list(MOMENTS.values()))[0]
        run = self._run_folder(folder)
        known = {path.name: path.stat().st_mtime_ns for path in checkpoints(run)}
        wanted = self.random.randint(0, 2)
        deadline = time.monotonic() + PATIENCE
        if moment == "starting":
            deadline = time.monotonic() + self.random.uniform(0, self.start_seconds)
            wanted = sys.maxsize
        while time.monotonic() < deadline:
            if process.poll() is not None:
                if process.returncode != 0:
                    raise Failure(f"a run ended by itself with {process.returncode}", str(folder))
                return False
            new = [p for p in checkpoints(run) if p.name not in known]
            is_writing = is_being_written(run)
            if len(new) >= wanted and (moment == "training" or is_writing):
                break
            time.sleep(0.001)
        time.sleep(self.random.uniform(0, 1.0 if moment == "training" else 0.15))
        was_writing = is_being_written(run)
        kill_all(process)
        self.counts["kills"] += 1
        phase = "writing" if was_writing else moment
        self.counts[f"kills while {phase}"] += 1
        say(f"kill {self.counts['kills']} while {phase}, after step {last_step(run)}")
        return True

    def _maybe_damage(self, folder: Path) -> None:
        """Do to a file of the newest checkpoint what a bad disk might."""
        found = checkpoints(self._run_folder(folder))
        if not found or self.random.random() >= self.settings.damage_share:
            return
        file = self.random.choice(sorted(path for path in found[-1].iterdir() if path.is_file()))
        kind = self.random.choice(["shortened", "changed", "removed"])
        if kind == "removed":
            file.unlink()
        elif kind == "shortened":
            os.truncate(file, self.random.randrange(file.stat().st_size))
        else:
            content = bytearray(file.read_bytes())
            content[self.random.randrange(len(content))] ^= 1 << self.random.randrange(8)
            file.write_bytes(content)
        self.counts[f"checkpoints with a file {kind}"] += 1

    def _may_fill(self, folder: Path) -> bool:
        return len(checkpoints(self._run_folder(folder))) >= 2

    def _fill_disk(self, folder: Path) -> None:
        """Start it with files that may not grow enough: the system refuses in mid-checkpoint."""
        run = self._run_folder(folder)
        largest = max(file.stat().st_size for file in checkpoints(run)[0].iterdir())
        process = self._start(folder, largest // 2)
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            kill_all(process)
            raise Failure("a run on a full disk hangs", str(folder)) from None
        said = (folder / "log.txt").read_text("utf-8", errors="replace")
        if code == 0 or "could not be written" not in said or (run / "checkpoint-final").exists():
            raise Failure(f"a run on a full disk ended with {code}", str(folder / "log.txt"))
        if not checkpoints(run) or find_damage(checkpoints(run)[-1]):
            raise Failure("a full disk cost the last good checkpoint", str(folder))
        self.counts["full disks"] += 1

    # -- what is left -------------------------------------------------------------------------

    def _differences(self, folder: Path, reference: Path) -> list[str]:
        found, expected = self._run_folder(folder), self._run_folder(reference)
        differing = [
            f"{name}/{weights.name}"
            for name in ("checkpoint-best", "checkpoint-final", f"checkpoint-{last_step(expected)}")
            for weights in sorted((expected / name).glob("*.safetensors"))
            if weights.read_bytes() != (found / name / weights.name).read_bytes()
        ]
        if comparable_metrics(found) != comparable_metrics(expected):
            differing.append("metrics.jsonl")
        return differing


def is_being_written(run: Path) -> bool:
    """Whether a checkpoint is being written right now."""
    try:
        return any((run / UNFINISHED).iterdir())
    except FileNotFoundError:  # it comes and goes with each checkpoint
        return False


def last_step(run: Path) -> int:
    """Number of the newest checkpoint; 0 where there is none."""
    return max((step_of(path) for path in checkpoints(run)), default=0)


def comparable_metrics(run: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl without the one field that measures the machine."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with -9 and all that it started, of which torchrun's are no group with it."""
    parent = psutil.Process(process.pid)
    family = [parent, *parent.children(recursive=True)]
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=30)
    process.wait(30)


if __name__ == "__main__":
    sys.exit(run_script(main))
