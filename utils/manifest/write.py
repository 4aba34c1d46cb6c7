"""Utterances -> a manifest file."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.manifest.utterance import Utterance


def write_manifest(path: str | Path, utterances: Iterable[Utterance]) -> int:
    """Write a manifest with one JSON object a line; a file that was there is replaced at the end.

    Audio paths are written as they are given: relative ones must hold from the manifest's folder or
    from the folder in which the manifest will be used (`path_from_manifest` makes the former).

    Args:
        path: where to; a name that ends in `.gz` is compressed. Its folder is made when missing.
        utterances: what to write, in this order.

    Returns:
        The number of lines written.

    Raises:
        UserError: a value that no JSON file in UTF-8 can hold, named by the utterance's id.
    """
    path = Path(path)
    with atomic_write(path, "wb") as file:
        if path.suffix == ".gz":
            # No time and no name in the header: the same lines give the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                return _write_lines(cast(IO[bytes], packed), path, utterances)
        return _write_lines(file, path, utterances)


def path_from_manifest(audio: str | Path, manifest: str | Path) -> str:
    """Spell an audio path so that the manifest finds it from any current folder.

    Args:
        audio: an audio file, absolute or relative to the current folder.
        manifest: the manifest that will name it.

    Returns:
        A path relative to the manifest's folder with `/` between its parts where the audio lies
        below it, so that both can be moved together; else an absolute path.
    """
    audio = Path(os.path.abspath(audio))
    folder = Path(os.path.abspath(manifest)).parent
    if audio.is_relative_to(folder):
        return audio.relative_to(folder).as_posix()
    return str(audio)


def _write_lines(file: IO[bytes], path: Path, utterances: Iterable[Utterance]) -> int:
    count = 0
    for utterance in utterances:
        file.write(_line(path, utterance))
        count += 1
    return count


def _line(path: Path, utterance: Utterance) -> bytes:
    try:
        text = json.dumps(utterance.to_json(), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8") + b"\n"
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path}: the utterance {utterance.id!r} cannot be written as JSON: {error}",
            "give it text, finite numbers, lists and objects only",
        ) from None
