"""Data that is named where a manifest should be: a data set of the hub, or one on disk.

`hf:name:split` (or `hf:name:configuration:split`), a folder that `datasets` wrote or reads, a
parquet file, and the binary lists of older scripts become a manifest in the user's cache, by the
commands of custom.py and with all of their checks. It is made once for each state of the data.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from filelock import FileLock

from utils.cli.console import say
from utils.cli.errors import UserError
from utils.cli.files import cache_folder, writable_folder
from utils.sources import hub
from utils.sources.binary_list import is_binary_list
from utils.sources.manifest import ManifestSettings
from utils.sources.manifest import gather as gather_manifests
from utils.sources.prepare import prepare, tell

HUB = "hf:"
_WRITTEN_BY_DATASETS = ("state.json", "dataset_dict.json", "dataset_infos.json")


def is_direct(name: str) -> bool:
    """Whether a name is of data that `manifest_of` makes a manifest of."""
    if name.startswith(HUB) or is_binary_list(name):
        return True
    path = Path(name)
    if path.suffix == ".parquet" and path.is_file():
        return True
    if not path.is_dir():
        return False
    known = any((path / each).is_file() for each in _WRITTEN_BY_DATASETS)
    return known or any(path.glob("**/*.parquet")) or any(path.glob("**/metadata.*"))


def manifest_of(name: str, part: str = "train") -> Path:
    """Return the manifest of data that is no manifest; of a manifest, itself.

    Of several processes that ask at once, one makes it and the others wait.

    Args:
        name: a manifest, or what the head of this module lists.
        part: split that is read where a folder has several and the name says none.

    Raises:
        UserError: there is no such data, or none of it can be used.
        Failure: it cannot be fetched.
    """
    if not is_direct(name):
        return Path(name)
    key = hashlib.sha256(json.dumps([name, part, _state(name)]).encode()).hexdigest()[:16]
    folder = writable_folder(cache_folder() / "data") / key
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "train.json"
    with FileLock(folder / ".lock"):
        if not manifest.is_file():
            _make(name, part, folder)
            say(f"data         {name} is read as {manifest}")
    return manifest


def _make(name: str, part: str, folder: Path) -> None:
    output, source = f"{folder}/", name.removeprefix(HUB)
    if is_binary_list(name):
        lists = ManifestSettings(path=(name,), output_dir=output)
        tell(prepare(gather_manifests(lists), lists, "manifest"), say)
        return
    configuration = None
    if name.startswith(HUB):
        source, *fields = source.split(":")
        if not source or not 1 <= len(fields) <= 2:
            raise UserError(
                f"{name} names no split of a data set",
                "expected hf:name:split or hf:name:configuration:split, such as "
                "hf:google/fleurs:en_us:test",
            )
        part = fields[-1]
        configuration = fields[0] if len(fields) == 2 else None
    settings = hub.HubSettings(
        path=source,
        configuration=configuration,
        part=_part(source, part),
        audio_dir=f"{folder}/audio/",
        output_dir=output,
        source=source,
    )
    tell(prepare(hub.gather(settings), settings, "hub"), say)


def _part(source: str, part: str) -> str:
    """Return the split to read of a folder: the one that is wanted, or the only one."""
    if not Path(source).is_dir():
        return part
    names = hub.split_names(hub.HubSettings(path=source))
    return names[0] if len(names) == 1 else part


def _state(name: str) -> list[object]:
    """Return what changes when local data does."""
    path = Path(name)
    if not path.exists():
        return []
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    described = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    return [str(path.resolve()), *described]
