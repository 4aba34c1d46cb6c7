"""Where a run begins: at its first step, at its newest good checkpoint, or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from utils.cli.console import say, warn
from utils.cli.errors import UserError
from utils.cli.leftovers import lock, unlock
from utils.data.sounds import Sounds
from utils.model.checksums import CHECKSUMS, find_damage
from utils.model.distributed import gather_all, on_main_process
from utils.model.folders import BEST, FINAL, checkpoints, remove_remains
from utils.training.resume.best import set_aside_stale_best
from utils.training.resume.checkpoints import check_named, newest_good, step_of
from utils.training.resume.identity import differences, read_run_file
from utils.training.resume.sounds import named_changes
from utils.training.settings.common import TrainSettings

LOCK_PATIENCE = 20.0  # seconds; readers of a killed run notice its end after five


@dataclass(frozen=True)
class Start:
    """Where a run begins.

    Attributes:
        checkpoint: folder to resume from, or None for the first step.
        finished: whether the run is complete already.
        changed: whether it goes on with other settings than it began with.
        forgets_best: whether the best so far is set aside, so that it must be found anew.
    """

    checkpoint: str | None = None
    finished: bool = False
    changed: bool = False
    forgets_best: bool = False


def refuse_foreign_folder(run: Path, settings: TrainSettings) -> None:
    """Refuse, before anything is loaded, a folder with a run of which too little is known.

    Raises:
        UserError: if checkpoints stand there without a `run.json`, and nothing was said of them.
    """
    asked = settings.resume_from_checkpoint
    if asked not in (None, "auto"):
        on_main_process(lambda: check_named(Path(asked), run))
        return
    occupied = checkpoints(run) or [run / name for name in (BEST, FINAL) if (run / name).exists()]
    known = read_run_file(run) is not None or asked is not None or settings.overwrite_output_dir
    if occupied and not known:
        raise UserError(
            f"{run} holds an earlier run ({occupied[-1].name}), and no run.json says which",
            "Go on with it: --resume_from_checkpoint=auto\n"
            "Begin anew and replace it: --overwrite_output_dir=True\n"
            "Keep both: another --output_dir",
        )


def choose_start(
    run: Path,
    settings: TrainSettings,
    identity: dict[str, Any],
    sounds: Mapping[str, Sounds] = MappingProxyType({}),
) -> Start:
    """Where this command begins in this folder; all processes agree.

    Args:
        run: the run's folder.
        settings: of the run.
        identity: of `run_identity`.
        sounds: of `sounds_of`, to name those that changed.

    Raises:
        UserError: if the folder holds a run with other settings.
    """
    start = on_main_process(lambda: _choose(run, settings, identity, sounds))
    if start.checkpoint is not None:
        back_to = step_of(Path(start.checkpoint)) if _is_named(settings) else None
        forgets = on_main_process(lambda: set_aside_stale_best(run, identity, back_to))
        start = replace(start, forgets_best=forgets)
    if start.checkpoint is not None and not all(gather_all([Path(start.checkpoint).is_dir()])):
        raise UserError(
            f"not every process can see {start.checkpoint}",
            "Put --output_dir on storage that all nodes share.",
        )
    return start


def _is_named(settings: TrainSettings) -> bool:
    return settings.resume_from_checkpoint not in (None, "auto")


def _choose(
    run: Path, settings: TrainSettings, identity: dict[str, Any], sounds: Mapping[str, Sounds]
) -> Start:
    asked = settings.resume_from_checkpoint
    named = Path(asked) if asked not in (None, "auto") else None
    recorded = read_run_file(named.parent if named is not None else run)
    remove_remains(run)
    if named is None and (settings.overwrite_output_dir or (recorded is None and asked is None)):
        return Start()
    changes = differences(recorded["identity"], identity) if recorded is not None else []
    changes = named_changes(named.parent if named is not None else run, sounds, changes)
    if changes and not settings.allow_changed_settings:
        raise _other_settings(named or run, changes)
    if changes:
        warn("going on with changed settings:\n" + "\n".join(f"  {line}" for line in changes))
    if named is not None:
        return Start(str(named), changed=bool(changes))
    finished = recorded is not None and recorded["finished"] and not changes
    if finished and all(_is_whole(run / name) for name in (BEST, FINAL)):
        return Start(finished=True)
    newest = newest_good(run) if recorded is not None else _newest_unsealed(run)
    if newest is not None:
        say(f"going on     from {newest}, after step {step_of(newest)}")
    return Start(str(newest) if newest is not None else None, changed=bool(changes))


def _is_whole(folder: Path) -> bool:
    """Whether a folder of a finished run is there, and as it was written; damage is said."""
    damage = find_damage(folder) if (folder / CHECKSUMS).is_file() else None
    if damage is not None:
        warn(f"{folder} is damaged: {damage}; it is written again")
    return folder.is_dir() and damage is None


def _newest_unsealed(run: Path) -> Path | None:
    """The newest checkpoint of a run from before there were checksums."""
    found = checkpoints(run)
    if found:
        check_named(found[-1], run)
    return found[-1] if found else None


def _other_settings(place: Path, changes: list[str]) -> UserError:
    shown = "\n".join(f"  {line}" for line in changes)
    return UserError(
        f"{place} holds an earlier run with other settings or data (then -> now):\n{shown}",
        "Go on with it all the same: --allow_changed_settings=True\n"
        "Begin anew and replace it: --overwrite_output_dir=True\n"
        "Keep both: another --output_dir",
    )


@contextmanager
def sole_writer(run: Path) -> Iterator[None]:
    """Keep other processes from training into a folder at the same time.

    A launcher that is killed may leave its processes running. The lock is the system's: it ends
    with the process, however that ends.

    Args:
        run: the run's folder; made if need be.

    Raises:
        UserError: if another run is still writing there.
    """
    held: list[int | None] = []
    on_main_process(lambda: _acquire(run, held))
    try:
        yield
    finally:
        for handle in held:
            unlock(handle)


def _acquire(run: Path, held: list[int | None]) -> None:
    run.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            held.append(lock(run))
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UserError(
                    f"another process is training into {run} right now",
                    "Wait for it, end it (processes of a killed launcher may still run), or give "
                    "another --output_dir.",
                ) from None
        time.sleep(0.2)
