"""Numbered checkpoints of a run: written beside, sealed with checksums, renamed, verified.

A checkpoint is written by all processes into `.unfinished/checkpoint-<step>/`. When everything is
there, its checksums are written, all of it is synced to the disk, and only then it is renamed to
`checkpoint-<step>/`. So a folder of that name was whole once; whether it still is, the checksums
say.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from utils.cli.console import warn
from utils.cli.errors import UserError
from utils.cli.leftovers import remove_folder
from utils.model.checksums import CHECKSUMS, find_damage, write_checksums
from utils.model.folders import DAMAGED, UNFINISHED, checkpoints, replace_folder
from utils.training.resume.state import ResumeState, expect_trainer_state

STATE = "trainer_state.json"


def step_of(checkpoint: Path) -> int:
    """The step that a numbered checkpoint was written at."""
    return int(checkpoint.name.rpartition("-")[2])


def unfinished_folder(run: Path) -> Path:
    """The folder in which the next checkpoint of a run is written."""
    return run / UNFINISHED


def seal(run: Path, step: int) -> Path:
    """Give a checkpoint that was written completely its name.

    Args:
        run: its run's folder.
        step: its number.

    Returns:
        Its folder.

    Raises:
        OSError: if the disk is full.
    """
    name = f"checkpoint-{step}"
    written, target = unfinished_folder(run) / name, run / name
    write_checksums(written)
    replace_folder(written, target)
    shutil.rmtree(unfinished_folder(run), ignore_errors=True)
    shutil.rmtree(run / f"{name}{DAMAGED}", ignore_errors=True)
    return target


def rotate(run: Path, step: int, limit: int | None) -> None:
    """Remove the checkpoints that a new one makes superfluous.

    Args:
        run: the run's folder.
        step: of the newest; those with a higher number are of a course that the run went back
            from, and go too.
        limit: how many to keep, at least one; None for all.
    """
    numbered = checkpoints(run)
    earlier = [folder for folder in numbered if step_of(folder) <= step]
    old = [] if limit is None else earlier[: max(0, len(earlier) - max(1, limit))]
    for folder in [*old, *(folder for folder in numbered if step_of(folder) > step)]:
        remove_folder(folder)


def newest_good(run: Path) -> Path | None:
    """The newest checkpoint that is as it was written; damaged ones are named and set aside.

    Args:
        run: the run's folder.

    Returns:
        None if there is none, which is said if there were damaged ones.
    """
    damaged = []
    for folder in reversed(checkpoints(run)):
        damage = find_damage(folder)
        if damage is None:
            return folder
        damaged.append(folder.name)
        aside = folder.with_name(folder.name + DAMAGED)
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        warn(f"{folder} is damaged: {damage}; it is set aside as {aside.name}")
    if damaged:
        warn(f"no checkpoint of {run} is whole ({', '.join(damaged)}); the run begins anew")
    return None


def check_named(checkpoint: Path, run: Path) -> None:
    """Make sure that a checkpoint which the user chose can be resumed from.

    Args:
        checkpoint: given as `--resume_from_checkpoint`.
        run: the run's folder, whose checkpoints are named in the message.

    Raises:
        UserError: if it is none, or damaged.
    """
    known = ", ".join(str(path) for path in checkpoints(run)) or "none"
    hint = f"Checkpoints of this run: {known}. --resume_from_checkpoint=auto takes the last."
    if not (checkpoint / STATE).is_file():
        raise UserError(
            f"{checkpoint} is no checkpoint that training can resume from (it has no {STATE})", hint
        )
    if not (checkpoint / CHECKSUMS).is_file():
        warn(f"{checkpoint} has no {CHECKSUMS}: whether it is whole cannot be verified")
        _expect_parts(checkpoint, hint)
        return
    damage = find_damage(checkpoint)
    if damage is not None:
        raise UserError(f"{checkpoint} is damaged: {damage}", hint)


PARTS = {
    "the optimizer's state": ("optimizer*", "global_step*", "pytorch_model_fsdp*"),
    "the schedule's state": ("scheduler.pt",),
    "the random state": ("rng_state*.pth",),
}
"""What a checkpoint holds besides weights, and its files' names by the way of sharing."""


def _expect_parts(checkpoint: Path, hint: str) -> None:
    """See that a checkpoint without checksums has all that training goes on from."""
    for part, patterns in PARTS.items():
        if not any(True for pattern in patterns for _ in checkpoint.glob(pattern)):
            raise UserError(f"{checkpoint} lacks {part}: it has no {patterns[0]}", hint)
    expect_trainer_state(checkpoint / STATE)
    ResumeState.read(checkpoint)
