"""Manifest files -> utterances.

A manifest is a text file in UTF-8 with one JSON object a line (`.json`, `.jsonl`; either may end in
`.gz`). A file that is one JSON array of such objects is read too. Nothing is skipped in silence:
every line that cannot be used is named with its number and what is wrong with it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from utils.audio.clip import Seconds
from utils.cli.errors import UserError
from utils.cli.files import sha256_file
from utils.cli.garbage import garbage_collection_paused
from utils.manifest.compressed import is_compressed
from utils.manifest.duplicates import repeated_places
from utils.manifest.json_lines import BLANK, is_array, json_values
from utils.manifest.lazy import LazyLines, LazyManifest
from utils.manifest.line_index import index_lines, utterance_of
from utils.manifest.paths import PathResolver
from utils.manifest.utterance import Utterance

SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
TABLES = (".csv", ".tsv", ".xlsx", ".xlsm")
LINES_SHOWN_IN_AN_ERROR = 5
# A manifest that is larger stays in its file. Utterances take about five times the bytes of their
# lines, and lines about a seventh once they are compressed.
LARGE_BYTES = 32 << 20
COMPRESSION = 7


@dataclass(frozen=True)
class BrokenLine:
    """A line that cannot be used: its number (from 1) and what is wrong with it."""

    line: int
    message: str


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read: its utterances in the order of the file.

    Those of a large one stay in their file, and each is read when it is asked for.
    `sha256` is that of the file as it lies on disk; `lines[i]` is the line of `utterances[i]`.
    """

    path: Path
    utterances: Sequence[Utterance]
    sha256: str
    lines: Sequence[int] = field(default=(), repr=False)
    blank_lines: int = 0

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def __getitem__(self, index: int) -> Utterance:
        return self.utterances[index]


class Dropped(NamedTuple):
    """An utterance that a filter left out, and why."""

    id: str
    reason: str


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest in which every line must be usable.

    A relative audio path is taken relative to the manifest's folder if the file exists there, else
    relative to the current folder.

    Opening a manifest of many millions of lines takes no more memory than one of a hundred
    thousand, and is quick from the second time on; see `line_index.py`. One JSON array, which has
    no lines, is always held in memory.

    Args:
        path: a manifest file; see `SUFFIXES`.

    Returns:
        The manifest, with at least one utterance, every id once.

    Raises:
        UserError: the file is missing, is no manifest, is empty, or has lines that cannot be used:
            the first few are named with their numbers, all are counted.
    """
    manifest, broken = scan_manifest(path)
    broken = sorted([*broken, *repeated_ids(manifest)], key=lambda each: each.line)
    if broken:
        shown = [f"  line {each.line}: {each.message}" for each in broken[:LINES_SHOWN_IN_AN_ERROR]]
        if len(broken) > len(shown):
            shown.append(f"  ... and {len(broken) - len(shown)} more")
        lines = "1 line" if len(broken) == 1 else f"{len(broken)} lines"
        raise UserError(
            "\n".join([f"{path}: {lines} cannot be used", *shown]),
            f"correct them; `python check_data.py --data={path}` names every one",
        )
    if not manifest.utterances:
        blank = f" but {manifest.blank_lines} blank lines" if manifest.blank_lines else ""
        raise UserError(
            f"{path}: the manifest is empty: it holds no utterance{blank}",
            'a line looks like {"audio": {"path": "a.wav"}, "sentence": "what is said"}',
        )
    return manifest


def scan_manifest(path: str | Path) -> tuple[Manifest, list[BrokenLine]]:
    """Read what can be read of a manifest, and list what cannot.

    Ids may repeat here, and the manifest may be empty.

    Raises:
        UserError: the file is missing, is no text in UTF-8, or its compression is damaged.
    """
    path = Path(path)
    _expect_file(path)
    _expect_no_table(path)
    if _is_large(path) and not is_array(path):
        index = index_lines(path)
        stored, lines = LazyManifest(path, index), LazyLines(index)
        manifest = Manifest(path, stored, index.sha256, lines, index.blank_lines)
        return manifest, [BrokenLine(*each) for each in index.broken]
    resolver = PathResolver(path.parent)
    utterances: list[Utterance] = []
    numbers = array("L")
    broken: list[BrokenLine] = []
    blank_lines = 0
    with garbage_collection_paused():
        for number, value in json_values(path):
            if value is BLANK:
                blank_lines += 1
                continue
            try:
                utterance = utterance_of(value, path, number)
            except ValueError as error:
                broken.append(BrokenLine(number, str(error)))
                continue
            utterances.append(resolver.resolve(utterance))
            numbers.append(number)
    return Manifest(path, utterances, sha256_file(path), numbers, blank_lines), broken


def _is_large(path: Path) -> bool:
    bytes_of_lines = path.stat().st_size * (COMPRESSION if is_compressed(path) else 1)
    return bytes_of_lines >= LARGE_BYTES


def filter_by_duration(
    utterances: Iterable[Utterance], min_len: Seconds, max_len: Seconds
) -> tuple[list[Utterance], list[Dropped]]:
    """Leave out what is shorter than `min_len` or longer than `max_len` seconds.

    A duration that the manifest does not state is read from the audio file's header. A no-speech
    example is kept however short it is. An utterance whose file cannot be read is kept: whoever
    decodes it names it, and an evaluation must count it as failed.

    Args:
        utterances: in any order.
        min_len: the shortest kept, in seconds.
        max_len: the longest kept, in seconds.

    Returns:
        What is kept, in the given order, and what was dropped with the reason.
    """
    # Imported here so that reading a manifest needs no audio library.
    from utils.manifest.durations import known_durations

    utterances = list(utterances)
    kept: list[Utterance] = []
    dropped: list[Dropped] = []
    for utterance, seconds in zip(utterances, known_durations(utterances), strict=True):
        if seconds is not None and seconds > max_len:
            dropped.append(Dropped(utterance.id, f"{seconds:.2f} s is longer than {max_len:g} s"))
        elif seconds is not None and seconds < min_len and not utterance.is_no_speech:
            dropped.append(Dropped(utterance.id, f"{seconds:.2f} s is shorter than {min_len:g} s"))
        else:
            kept.append(utterance)
    return kept, dropped


def repeated_ids(manifest: Manifest) -> list[BrokenLine]:
    """Name each line whose id an earlier line has."""
    if isinstance(manifest.utterances, LazyManifest):
        return _repeated_among(manifest.utterances, manifest.lines)
    if len({utterance.id for utterance in manifest.utterances}) == len(manifest.utterances):
        return []
    first_line: dict[str, int] = {}
    repeated = []
    for utterance, line in zip(manifest.utterances, manifest.lines, strict=True):
        if first_line.setdefault(utterance.id, line) != line:
            repeated.append(_repeated(utterance.id, line, first_line[utterance.id]))
    return repeated


def _repeated_among(utterances: LazyManifest, lines: Sequence[int]) -> list[BrokenLine]:
    """Compare hashes first, and the ids themselves only where those are alike."""
    repeated = []
    for places, earlier in repeated_places(utterances.line_index.ids()):
        for place, first in zip(places.tolist(), earlier.tolist(), strict=True):
            name = utterances[place].id
            if utterances[first].id == name:
                repeated.append(_repeated(name, lines[place], lines[first]))
    return sorted(repeated, key=lambda each: each.line)


def _repeated(name: str, line: int, first: int) -> BrokenLine:
    return BrokenLine(line, f"the id {name!r} is that of line {first} too")


def _expect_file(path: Path) -> None:
    """Refuse a path that is no file, and name the manifests that lie near it."""
    if path.is_file():
        return
    folder = path if path.is_dir() else path.parent
    names = []
    if folder.is_dir():
        names = sorted(each.name for each in folder.iterdir() if each.name.endswith(SUFFIXES))[:8]
    near = f"{folder} has {', '.join(names)}" if names else f"{folder} has no manifest"
    if not folder.is_dir():
        near = f"there is no folder {folder}"
    problem = "is a folder, not a manifest file" if path.is_dir() else "there is no such manifest"
    raise UserError(f"{path}: {problem}", f"{near}; custom.py makes a manifest of your data")


def _expect_no_table(path: Path) -> None:
    """Refuse a table, and say which command makes a manifest of it."""
    if path.suffix.lower() in TABLES:
        raise UserError(
            f"{path} is a table, not a manifest",
            f"make one of it: python custom.py table --path={path}",
        )
