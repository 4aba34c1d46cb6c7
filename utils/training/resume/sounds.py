"""The sounds that a run was begun with: audio of its manifests, and noises of its augmentation.

Their digests, 16 bytes a file, stand beside `run.json` in the order of the manifest's lines: a data
set may be moved, and changed files can be named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from utils.cli.files import atomic_write
from utils.data.sounds import Sounds, digest_like
from utils.training.data import RunData

FILE = "sounds.npz"
IN_IDENTITY = "sounds (SHA-256)"
_SHOWN = 5


def sounds_of(data: RunData) -> dict[str, Sounds]:
    """The audio files of a run, by what they are for."""
    found = {"train": data.train.sounds, "dev": data.dev.sounds}
    if data.augmenter is not None and data.augmenter.files:
        found["augmentation"] = Sounds.of(data.augmenter.files)
    return found


def identity_of_sounds(sounds: Mapping[str, Sounds]) -> dict[str, str]:
    """What of sounds belongs to a run's identity: a digest of all of one kind."""
    return {
        f"{name} {IN_IDENTITY}": hashlib.sha256(each.digests().tobytes()).hexdigest()
        for name, each in sounds.items()
    }


def write_sounds_file(run: Path, sounds: Mapping[str, Sounds]) -> None:
    """Write the digests of a run's sounds into its folder."""
    digests: dict[str, Any] = {name: each.digests() for name, each in sounds.items()}
    with atomic_write(run / FILE, "wb") as file:
        np.savez(file, **digests)


def named_changes(run: Path, sounds: Mapping[str, Sounds], changes: list[str]) -> list[str]:
    """Differences between a run and the one in a folder, with the files whose sound is another.

    Args:
        run: the folder of the earlier run.
        sounds: of this run.
        changes: of `differences`.
    """
    return [_named(run, sounds, change) for change in changes]


def _named(run: Path, sounds: Mapping[str, Sounds], change: str) -> str:
    name, is_sounds, _ = change.partition(f" {IN_IDENTITY}: ")
    if not is_sounds or name not in sounds:
        return change
    try:
        with np.load(run / FILE) as stored:
            recorded = stored[name]
    except (OSError, ValueError, KeyError):
        return change
    total = sum(len(paths) for paths, _ in sounds[name].used())
    if total != len(recorded):
        return f"{name} sounds: {len(recorded)} files -> {total} files"
    changed = list(_changed(sounds[name], recorded))
    shown = ", ".join(changed[:_SHOWN])
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"{name} sounds: {len(changed)} of {total} files changed: {shown}{more}"


def _changed(sounds: Sounds, recorded: np.ndarray) -> Iterator[str]:
    start = 0
    for paths, states in sounds.used():
        earlier = recorded[start : start + len(paths)]
        start += len(paths)
        for place in np.flatnonzero((states["digest"] != earlier).any(axis=1)).tolist():
            if not np.array_equal(digest_like(paths[place], earlier[place]), earlier[place]):
                yield paths[place]
