"""A manifest to a training table: what is used, with its labels and lengths.

A table is made in parts of some ten thousand lines by all processes of a machine, and kept between
runs (see `kept.py`). It belongs to one content of the manifest, one tokenizer and one way of making
labels; a part in which an audio file has changed, come or gone is made again. Who is killed amid a
million lines loses the parts that were being made.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.audio.clip import Seconds
from utils.cli.errors import UserError
from utils.cli.progress import progress
from utils.data.dataset import TrainingTable
from utils.data.kept import is_whole, kept_folder, new_part
from utils.data.labels import LabelEncoder, TextIds
from utils.data.sounds import (
    ABSENT,
    Sounds,
    read_sounds,
    states_of,
    unchanged,
    with_digests,
    write_sounds,
)
from utils.data.table import Row, RowFile, open_rows, read_dropped
from utils.manifest.durations import known_durations
from utils.manifest.read import Dropped, Manifest
from utils.manifest.utterance import Utterance
from utils.parallel.shards import WHOLE, Shard

if TYPE_CHECKING:
    from tqdm import tqdm

Limits = tuple[Seconds, Seconds]
"""Seconds of the shortest utterance and of the longest, which is at most 30."""

# A part is what is made again where something has changed. The digests of the sounds, which runs
# compare, are in the order of the parts: another number makes other runs of them.
PART_LINES = 1 << 15
LINES_AT_ONCE = 1000
SOUNDS_FILE = "sounds.arrow"
_SAMPLE = 64
_ROOMS = ("audio", "manifest", "data")


def training_table(
    manifest: Manifest, encoder: LabelEncoder, min_len: Seconds, max_len: Seconds
) -> TrainingTable:
    """Keep what can be trained on; everything else is named with its reason.

    The rows are written to disk as they are made, and mapped from there: the table takes no more
    memory for ten million utterances than for ten.

    Left out are files that are missing, utterances shorter than `min_len` or longer than
    `max_len`, and labels longer than the decoder's positions, which would stop a run midway.

    Args:
        manifest: the training or dev manifest.
        encoder: counts the tokens.
        min_len: seconds; no-speech examples may be shorter.
        max_len: seconds, at most 30.

    Raises:
        UserError: if nothing is left, or a language or task is unknown to the tokenizer.
    """
    return open_table([write_rows(manifest, encoder, (min_len, max_len))], manifest)


def write_rows(
    manifest: Manifest, encoder: LabelEncoder, limits: Limits, share: Shard = WHOLE
) -> Path:
    """Make the parts of a table that are not there yet, or are of other sounds by now.

    Args:
        manifest: of any size.
        encoder: counts the tokens.
        limits: of the length.
        share: of the parts, for one of several processes.

    Returns:
        The folder, for `open_table` in any process of this machine, once all shares are made.

    Raises:
        UserError: as of `training_table`.
    """
    folder = kept_folder(_name(manifest, encoder, limits))
    places = _parts([folder], manifest)[share.number - 1 :: share.count]
    stale = [(number, place) for number, place in places if not _is_current(place)]
    lines = sum(len(_lines_of(manifest, number)) for number, _ in stale)
    bar: tqdm[None] = progress(total=lines, desc=f"reading {manifest.path}", unit="utt")
    with bar:
        for number, place in stale:
            earlier = _digests_in(place)
            with new_part(place) as part:
                maker = _PartMaker(part, manifest, encoder, limits)
                for made in maker.rows(_lines_of(manifest, number)):
                    bar.update(made)
                maker.write_sounds(earlier)
    return folder


def open_table(folders: Sequence[Path], manifest: Manifest) -> TrainingTable:
    """The table whose parts `write_rows` wrote.

    Args:
        folders: of all shares, in their order: the same one, unless the user's cache cannot be
            written to.
        manifest: the one that was given to it.

    Raises:
        UserError: nothing is left.
    """
    places = [place for _, place in _parts(folders, manifest)]
    rows = open_rows(places)
    dropped = [each for place in places for each in read_dropped(place)]
    if not len(rows):
        raise UserError(
            f"{manifest.path}: none of its {len(manifest)} utterances can be trained on "
            f"(the first, {dropped[0].id}: {dropped[0].reason})",
            "Look at --min_audio_len and --max_audio_len, or run check_data.py on it.",
        )
    return TrainingTable(
        rows, dropped, sounds=Sounds(tuple(place / SOUNDS_FILE for place in places))
    )


def _parts(folders: Sequence[Path], manifest: Manifest) -> list[tuple[int, Path]]:
    """Number and place of each part of a table; the shares take turns."""
    many = -(-len(manifest) // PART_LINES)
    return [(number, folders[number % len(folders)] / f"{number:05d}") for number in range(many)]


def _lines_of(manifest: Manifest, number: int) -> Sequence[Utterance]:
    return manifest.utterances[number * PART_LINES : (number + 1) * PART_LINES]


def _name(manifest: Manifest, encoder: LabelEncoder, limits: Limits) -> str:
    """Name all that has a say in a table, beside the audio files."""
    # What is made of the lines, such as their languages and paths, is seen from some of them.
    step = max(1, len(manifest) // _SAMPLE)
    sample = [manifest.utterances[n].to_json() for n in range(0, len(manifest), step)]
    parts = [manifest.sha256, len(manifest), sample, os.getcwd(), encoder.signature, limits]
    parts += [_program(), version("tokenizers"), PART_LINES]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


@cache
def _program() -> str:
    """Digest of the code that makes tables: what another version made is made again."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for file in sorted(Path(__file__).resolve().parents[1].joinpath(room).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _is_current(place: Path) -> bool:
    """Whether a part is whole, and its audio files are as they were."""
    if not is_whole(place):
        return False
    paths, _, states = read_sounds(place / SOUNDS_FILE)
    return unchanged(paths, states)


def _digests_in(place: Path) -> dict[tuple[str, int, int], np.ndarray]:
    """What is known of the audio files of a part that is made again."""
    if not is_whole(place):
        return {}
    paths, _, states = read_sounds(place / SOUNDS_FILE)
    sizes, times = states["size"].tolist(), states["changed"].tolist()
    return dict(zip(zip(paths, sizes, times, strict=True), states["digest"], strict=True))


class _PartMaker:
    """Makes one part of a table.

    Args:
        folder: an empty one.
        manifest: whose lines they are, for messages.
        encoder: counts the tokens.
        limits: of the length.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, encoder: LabelEncoder, limits: Limits
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.encoder = encoder
        self.limits = limits
        # Each audio file as it was first looked at; whether a row has it.
        self._states: dict[str, np.void] = {}
        self._used: set[str] = set()

    def rows(self, utterances: Sequence[Utterance]) -> Iterator[int]:
        """Write the rows of some lines; yield, now and then, how many more were looked at."""
        with RowFile(self.folder, self.encoder) as file:
            for start in range(0, len(utterances), LINES_AT_ONCE):
                some = list(utterances[start : start + LINES_AT_ONCE])
                new = [
                    p for p in dict.fromkeys(u.audio.path for u in some) if p not in self._states
                ]
                self._states.update(zip(new, states_of(new), strict=True))
                known = self.encoder.tokenized(some)
                for utterance, seconds in zip(some, known_durations(some), strict=True):
                    row = self._row(utterance, seconds, known)
                    file.drop(row) if isinstance(row, Dropped) else file.add(row)
                yield len(some)

    def _row(self, utterance: Utterance, seconds: Seconds | None, known: TextIds) -> Row | Dropped:
        try:
            labels = self.encoder.encode(utterance, known)
        except UserError as error:
            found = f"{self.manifest.path}, {utterance.id}: {error.message}"
            raise UserError(found, error.hint) from None
        reason = self._why_unusable(utterance, seconds, len(labels))
        if reason:
            return Dropped(utterance.id, reason)
        self._used.add(utterance.audio.path)
        if utterance.duration is None:  # once measured, it need not be at each evaluation
            utterance = replace(utterance, duration=seconds)
        return Row.of(utterance, float(seconds or 0.0), labels)

    def _why_unusable(
        self, utterance: Utterance, seconds: Seconds | None, tokens: int
    ) -> str | None:
        shortest, longest = self.limits
        path, most = utterance.audio.path, self.encoder.max_tokens
        if seconds is None or self._states[path]["size"] == ABSENT:
            return f"{path}: {'cannot be read' if os.path.exists(path) else 'no such file'}"
        if seconds > longest:
            return f"{seconds:.2f} s is longer than {longest:g} s"
        if seconds < shortest and not utterance.is_no_speech:
            return f"{seconds:.2f} s is shorter than {shortest:g} s"
        if tokens > most:
            counted = "prompt and label tokens" if utterance.prompt else "label tokens"
            return f"{tokens} {counted}; the decoder takes {most}"
        return None

    def write_sounds(self, earlier: dict[tuple[str, int, int], np.ndarray]) -> None:
        """Write what the audio files are; the digests of unchanged ones are known earlier."""
        paths = list(self._states)
        states = np.array([*self._states.values()]) if paths else states_of([])
        is_used = np.array([path in self._used for path in paths], dtype=bool)
        wanted = is_used.copy()
        for place, path in enumerate(paths):
            key = (path, int(states["size"][place]), int(states["changed"][place]))
            if is_used[place] and key in earlier and earlier[key].any():
                states["digest"][place], wanted[place] = earlier[key], False
        write_sounds(self.folder / SOUNDS_FILE, paths, is_used, with_digests(paths, states, wanted))
