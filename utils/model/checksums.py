"""What a folder held when it was finished: the size and SHA-256 of each of its files."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.cli.files import atomic_write, sha256_file

CHECKSUMS = "checksums.json"


def write_checksums(folder: Path) -> None:
    """Write `checksums.json`, the last file of a finished folder.

    Args:
        folder: all files in it and below it are listed.

    Raises:
        OSError: if a file cannot be read or the disk is full.
    """
    files = _files_in(folder)
    with ThreadPoolExecutor() as pool:  # hashing lets other threads run
        described = list(pool.map(_describe, files))
    names = [file.relative_to(folder).as_posix() for file in files]
    with atomic_write(folder / CHECKSUMS) as file:
        json.dump({"schema": 1, "files": dict(zip(names, described, strict=True))}, file, indent=1)


def find_damage(folder: Path) -> str | None:
    """Say what is wrong with a finished folder.

    Args:
        folder: as `write_checksums` left it, or not.

    Returns:
        The first file that is not as it was written and how it differs; None if all are.
    """
    try:
        listed = read_json_object(folder / CHECKSUMS)["files"]
        expected = {folder / name: (each["size"], each["sha256"]) for name, each in listed.items()}
        is_outside = next((name for name in listed if not _is_below(name)), None)
    except FileNotFoundError:
        return f"it has no {CHECKSUMS}"
    except UserError as error:
        return error.message
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{CHECKSUMS} has no list of files ({type(error).__name__}: {error})"
    if is_outside is not None:
        return f"{CHECKSUMS} lists {is_outside!r}, which is not in the folder"
    for file, (size, _) in expected.items():
        if not file.is_file():
            return f"{file.name} is missing"
        if file.stat().st_size != size:
            return f"{file.name} has {file.stat().st_size} bytes, expected {size}"
    with ThreadPoolExecutor() as pool:
        for file, found in zip(expected, pool.map(_sum_or_reason, expected), strict=True):
            if found != expected[file][1]:
                return f"the content of {file.name} has changed (SHA-256 {found[:12]}...)"
    return None


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and "\0" not in name and not path.is_absolute() and ".." not in path.parts


def _files_in(folder: Path) -> list[Path]:
    found = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return sorted(file for file in found if file != folder / CHECKSUMS)


def _describe(file: Path) -> dict[str, Any]:
    return {"size": file.stat().st_size, "sha256": sha256_file(file)}


def _sum_or_reason(file: Path) -> str:
    try:
        return sha256_file(file)
    except OSError as error:
        return f"unreadable: {error.strerror}"
