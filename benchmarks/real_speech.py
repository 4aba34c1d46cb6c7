"""The four commands on recorded speech: check, fine-tune, merge, evaluate, for each set.

    python benchmarks/real_base.py           # once: makes the base model
    python benchmarks/real_speech.py         # half an hour on two cores
    python benchmarks/real_speech.py --sets=zh --max_steps=5    # a quick try

Runs the scripts as a person would and prints each command before it starts. Everything is written
to --work_dir; the measurements also to benchmarks/results/real_speech.json and the curves to
docs/images/, from which docs/results.md is written. Skips where the recordings are absent.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# A script's own folder is on the path; the repository, which holds `utils` and `demo`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.real.commands import Job, base_path
from benchmarks.real.outcome import markdown_lines, measurements, score_table
from benchmarks.real.sets import SETS, require_data, write_plain_manifest
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.files import atomic_write
from utils.cli.flags import parse_settings
from utils.cli.steps import run_step

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class RealSpeechSettings:
    """What is run; the defaults made docs/results.md."""

    sets: tuple[str, ...] = tuple(SETS)
    """zh (AISHELL-1, one speaker) and en (speechocean762), with commas between them"""

    stage: Literal["all", "run", "report"] = "all"
    """run: the commands alone, so that the sets can go side by side;
    report: collect and write what earlier runs measured"""

    data_dir: Path = Path("../shared/data")
    """folder of the recorded speech"""

    work_dir: Path = Path("output/real_speech")
    """folder that holds base/ and gets everything that is made here"""

    results: Path = Path("benchmarks/results/real_speech.json")
    """the measurements"""

    picture: Path = Path("docs/images/real_speech.png")
    """the curves"""

    num_train_epochs: float = 4.0
    """passes over the training part"""

    max_steps: int = -1
    """stop after so many steps; -1: no limit"""

    def __post_init__(self) -> None:
        unknown = [name for name in self.sets if name not in SETS]
        if unknown:
            raise UserError(f"--sets={','.join(unknown)}: expected {', '.join(SETS)}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run every step for every set, then show what changed."""
    settings = parse_settings(
        RealSpeechSettings, argv, prog="real_speech.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    try:
        require_data(settings.data_dir, [SETS[name].folder for name in settings.sets])
    except UserError as error:
        say(f"skipped: {error.message}\n  {error.hint}")
        return
    if not base_path(settings.work_dir).is_dir():
        raise UserError(
            f"there is no base model {base_path(settings.work_dir)}",
            "make it first: python benchmarks/real_base.py",
        )
    jobs = [_job(settings, name) for name in settings.sets]
    for job in jobs:
        _run(job, settings)
    if settings.stage != "run":
        _report(jobs, settings)


def _job(settings: RealSpeechSettings, name: str) -> Job:
    return Job(
        real=SETS[name],
        data_dir=settings.data_dir,
        work_dir=settings.work_dir,
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps,
    )


def _run(job: Job, settings: RealSpeechSettings) -> None:
    if settings.stage == "report":
        return
    for part in ("train", "dev"):
        write_plain_manifest(settings.data_dir, f"{job.real.folder}/{part}", job.manifest(part))
    steps = job.commands()
    for number, command in enumerate(steps, 1):
        run_step(f"{job.real.language} {number}/{len(steps)}", command)


def _report(jobs: Sequence[Job], settings: RealSpeechSettings) -> None:
    """Write the measurements and the picture, print the table."""
    from utils.report.figures.curves import draw_curves

    found = measurements(jobs)
    with atomic_write(settings.results) as file:
        json.dump(found, file, ensure_ascii=False, indent=2)
        file.write("\n")
    runs = {job.real.language: job.run / "metrics.jsonl" for job in jobs}
    bars: dict[str, dict[str, float]] = {}
    for score in found["scores"]:
        rates = bars.setdefault(f"{score['set']} {score['metric'].upper()}", {})
        rates[score["model"]] = score["rate"]
    draw_curves(runs, settings.picture, bars=bars)
    _shrink(settings.picture)
    say("\n" + score_table(found))
    say("\nThe lines of docs/results.md:\n" + "\n".join(markdown_lines(found)))
    say(f"\nwrote {settings.results} and {settings.picture}")


def _shrink(picture: Path) -> None:
    """Reduce a picture of a few colours to a palette: a third of the size, and it goes into git."""
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(64)
    with atomic_write(picture, "wb") as file:
        small.save(file, format="PNG", optimize=True)


if __name__ == "__main__":
    sys.exit(run_script(main))
