"""Manifests that are there already are replaced only where nothing of theirs is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from utils.cli.errors import UserError
from utils.manifest.duplicates import hash64
from utils.manifest.json_lines import json_values


def expect_same_source(path: Path, source: str, hint: str) -> None:
    """Refuse to replace a file that was not written from the same source.

    Args:
        path: the file, which need not be there.
        source: as each line names it.
        hint: what to do.

    Raises:
        UserError: its first line names another source, or none.
    """
    if not path.exists():
        return
    first = next((value for _, value in json_values(path)), None)
    if not isinstance(first, dict) or first.get("source") != source:
        raise UserError(f"{path} is there already and holds other data than {source}", hint)


def expect_nothing_lost(
    files: Sequence[tuple[Path, Path]], letters_alone: bool = False, folder: str = "--output_dir"
) -> None:
    """Refuse to replace files of which a line is in none of the new ones.

    Lines are compared by where their sound is and by their text; what else a line says may change,
    and so may the part that it is in.

    Args:
        files: pairs of a file, which need not be there, and of the new one that will replace it.
        letters_alone: texts may differ in punctuation.
        folder: the flag that names another folder.

    Raises:
        UserError: naming the file, how many of its lines would be lost, and the first.
    """
    if not any(old.exists() for old, _ in files):
        return
    kept = {_content(line, old, letters_alone) for old, new in files for line in _lines(new)}
    for old, _ in files:
        lines = list(_lines(old)) if old.exists() else []
        lost = [line for line in lines if _content(line, old, letters_alone) not in kept]
        if lost:
            raise UserError(
                f"{old} is there already and holds other data: {len(lost)} of its {len(lines)} "
                f"lines would be lost, the first: {lost[0].decode('utf-8', 'replace')[:120]}",
                f"move it away, choose another folder with {folder}"
                f"{' or another --name' if folder == '--output_dir' else ''}, or give "
                "--overwrite=True to replace it",
            )


def _lines(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from (line.strip() for line in file if line.strip())


def _content(line: bytes, path: Path, letters_alone: bool) -> int:
    """Return a hash of what a line of a manifest holds; of one of another form, of all of it."""
    try:
        value = json.loads(line)
        audio, text = value["audio"], value["sentence"]
        file = os.path.abspath(path.parent / audio["path"])
        place = [audio.get(each) for each in ("start_time", "end_time", "offset", "channel")]
        if letters_alone:
            text = "".join(filter(str.isalnum, text))
        return hash64(json.dumps([file, place, text]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return hash64(line.decode("utf-8", "replace"))
