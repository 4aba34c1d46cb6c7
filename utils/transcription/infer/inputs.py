"""What is to be transcribed, and where its transcript goes."""

from __future__ import annotations

import glob
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.cli.console import say
from utils.cli.errors import UserError
from utils.parallel.journal import Journal
from utils.parallel.shards import Shard
from utils.sources.fetch.online import fetch, is_url, items_of
from utils.sources.files import audio_files
from utils.sources.source_data import LeftOut
from utils.transcription.infer.settings import MICROPHONE, STANDARD_INPUT

KEPT_INPUT = ".standard-input"
"""File of the output folder that holds standard input while it is transcribed."""


@dataclass(frozen=True)
class Source:
    """A recording that is to be transcribed.

    Attributes:
        name: as it is called in messages.
        path: its file.
        stem: of its transcripts, relative to the output folder.
    """

    name: str
    path: Path
    stem: Path


def named_inputs(audio_path: str) -> list[str]:
    """The parts of `--audio_path`: what exists is one, commas or not."""
    if Path(audio_path).exists() or is_url(audio_path):
        return [audio_path]
    return [part.strip() for part in audio_path.split(",") if part.strip()]


def find_sources(
    named: Sequence[str], folder: Path, journal: Journal, shard: Shard
) -> tuple[list[Source], list[LeftOut]]:
    """Find the recordings, and download those on the web.

    Args:
        named: files, folders, globs, addresses, or `-` for standard input.
        folder: for what comes from elsewhere.
        journal: of downloads.
        shard: the part of them to take.

    Returns:
        The recordings, and what was named but is not there.

    Raises:
        UserError: nothing was named, or a folder or pattern holds no recording.
    """
    found: list[tuple[str, Path]] = []
    missing: list[LeftOut] = []
    for each in named:
        places, lacking = _places_of(each, journal)
        found += places
        missing += lacking
    if not found and not missing:
        raise UserError("--audio_path names nothing", "give a file, a folder or an address")
    sources = _with_stems(list(dict(found).items()))
    kept: list[Source] = []
    for source in shard.of(sources):
        if is_url(source.name):
            files = fetch(source.name, folder / "downloads", journal, say)
            if isinstance(files, LeftOut):
                missing.append(files)
                continue
            kept += [Source(source.name, file, Path(file.stem)) for file in files]
        elif source.name == STANDARD_INPUT:
            kept.append(Source("standard input", _standard_input(folder), Path("stdin")))
        else:
            kept.append(source)
    return kept, missing if shard.number == 1 else []


def _places_of(named: str, journal: Journal) -> tuple[list[tuple[str, Path]], list[LeftOut]]:
    """What one name means: (name, path whose transcripts are named after it), and what is not."""
    path = Path(named)
    if is_url(named):
        items, missing = items_of(named, journal)
        return [(item, Path(item)) for item in items], missing
    if named == STANDARD_INPUT:
        return [(named, Path("stdin"))], []
    if path.is_dir():
        files = audio_files(path)
        if not files:
            raise UserError(f"the folder {named} holds no sound or video", "give another one")
        return [(str(file), file.relative_to(path)) for file in files], []
    if path.exists():
        return [(named, Path(path.name))], []
    if glob.has_magic(named):
        matches = [Path(each) for each in sorted(glob.glob(named, recursive=True))]
        files = [each for each in matches if each.is_file()]
        if not files:
            raise UserError(f"no file is called {named}", "quote a pattern: --audio_path='*.mp3'")
        return [(str(file), Path(file.name)) for file in files], []
    hint = " (record with --audio_path=microphone)" if named.lower().startswith("mic") else ""
    return [], [LeftOut(named, f"there is no such file or folder{hint}")]


def _with_stems(found: Sequence[tuple[str, Path]]) -> list[Source]:
    """Give each recording names of its own: with its ending, or a number, where two are alike."""
    bare = Counter(path.with_suffix("") for _, path in found)
    taken: set[Path] = set()
    sources = []
    for name, path in found:
        stem = path if bare[path.with_suffix("")] > 1 else path.with_suffix("")
        number = 2
        wanted = stem
        while stem in taken:
            stem, number = wanted.with_name(f"{wanted.name}-{number}"), number + 1
        taken.add(stem)
        sources.append(Source(name, Path(name), stem))
    return sources


def _standard_input(folder: Path) -> Path:
    """Write standard input to a file, from which any kind of sound can be read."""
    path = folder / KEPT_INPUT
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


def wants_microphone(named: Sequence[str]) -> bool:
    """Whether the microphone is to be recorded; a file of that name is one."""
    return list(named) == [MICROPHONE] and not Path(MICROPHONE).exists()
