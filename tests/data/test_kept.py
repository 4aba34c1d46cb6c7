"""Tables are kept between runs, and made again where something has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.cli.files import cache_folder
from utils.data import kept, make_table, sounds
from utils.data.dataset import TrainingTable
from utils.data.kept import is_whole, kept_folder
from utils.data.labels import LabelEncoder
from utils.data.make_table import open_table, training_table, write_rows
from utils.data.table import Row
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.manifest.write import write_manifest
from utils.model.load import load_model
from utils.parallel.shards import Shard


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> LabelEncoder:
    return load_model(str(tiny_model)).label_encoder(language="zh", timestamps=True)


@pytest.fixture
def manifest(
    speech_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Nine lines in three parts, with sounds of their own and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(make_table, "PART_LINES", 3)
    lines = []
    for number, each in enumerate(read_manifest(speech_manifest)):
        own = tmp_path / f"{number}.wav"
        shutil.copy(each.audio.path, own)
        lines.append(replace(each, audio=replace(each.audio, path=str(own))))
    write_manifest(tmp_path / "a.json", lines)
    yield tmp_path / "a.json"
    kept._IN_USE.clear()


class Made:
    """Counts the lines that are encoded, and the files that are read for their digest."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.encoded: list[str] = []
        self.read: list[str] = []
        encode, digest_of = LabelEncoder.encode, sounds.digest_of

        def counted(encoder: LabelEncoder, utterance: Utterance, *known: object) -> object:
            self.encoded.append(utterance.id)
            return encode(encoder, utterance, *known)  # type: ignore[arg-type]

        def read(path: str, size: int, *, is_whole: bool) -> bytes:
            self.read.append(Path(path).name)
            return digest_of(path, size, is_whole=is_whole)

        monkeypatch.setattr(LabelEncoder, "encode", counted)
        monkeypatch.setattr(sounds, "digest_of", read)

    def since(self) -> tuple[int, list[str]]:
        """Lines encoded and files read since this was asked."""
        found = len(self.encoded), sorted(self.read)
        self.encoded, self.read = [], []
        return found


def same(one: TrainingTable, other: TrainingTable) -> bool:
    columns = [name for name in Row._fields if name not in ("decoder_input_ids", "labels")]
    return (
        all(list(one.rows.values(name)) == list(other.rows.values(name)) for name in columns)
        and all(
            np.array_equal(one.rows.value(name, row), other.rows.value(name, row))
            for name in ("decoder_input_ids", "labels")
            for row in range(len(one))
        )
        and one.dropped == other.dropped
        and np.array_equal(one.sounds.digests(), other.sounds.digests())
    )


def opened(path: Path, encoder: LabelEncoder) -> TrainingTable:
    return training_table(read_manifest(path), encoder, 0.1, 30.0)


def test_a_second_start_makes_nothing_and_has_the_same(
    manifest: Path, encoder: LabelEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Made(monkeypatch)
    first = opened(manifest, encoder)
    assert made.since() == (9, [f"{n}.wav" for n in range(9)])
    again = opened(manifest, encoder)
    assert made.since() == (0, [])
    assert same(first, again)


def test_only_the_part_with_a_changed_sound_is_made_again(
    manifest: Path, encoder: LabelEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Made(monkeypatch)
    before = opened(manifest, encoder).sounds.digests()
    made.since()
    touched = manifest.parent / "4.wav"
    os.utime(touched, (1, 1))
    after = opened(manifest, encoder)
    assert made.since() == (3, ["4.wav"])
    assert np.array_equal(after.sounds.digests(), before)
    samples = bytearray(touched.read_bytes())
    samples[-8:] = bytes(b ^ 1 for b in samples[-8:])
    touched.write_bytes(samples)
    changed = opened(manifest, encoder).sounds.digests()
    assert (changed != before).any(axis=1).tolist() == [n == 4 for n in range(9)]
    touched.unlink()
    gone = opened(manifest, encoder)
    assert len(gone) == 8
    assert "no such file" in gone.dropped[0].reason
    touched.write_bytes(samples)
    assert len(opened(manifest, encoder)) == 9


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "half made"])
def test_a_damaged_part_is_made_again(
    manifest: Path, encoder: LabelEncoder, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(manifest, encoder)
    part = first.rows.files[1].parent
    rows = part / "rows.arrow"
    content = bytearray(rows.read_bytes())
    if damage == "cut":
        rows.write_bytes(content[:-1])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        rows.write_bytes(content)
    elif damage == "missing":
        rows.unlink()
    else:  # a kill leaves a folder that has no checksums
        (part / "checksums.json").unlink()
    assert not is_whole(part)
    made = Made(monkeypatch)
    assert same(opened(manifest, encoder), first)
    assert made.since()[0] == 3


def test_another_text_language_limit_or_tokenizer_is_another_table(
    manifest: Path, encoder: LabelEncoder
) -> None:
    lines = list(read_manifest(manifest))
    folders = {opened(manifest, encoder).rows.files[0].parent.parent}
    other = LabelEncoder(encoder.tokenizer, language="en", timestamps=True)
    folders.add(opened(manifest, other).rows.files[0].parent.parent)
    table = training_table(read_manifest(manifest), encoder, 0.1, 29.0)
    folders.add(table.rows.files[0].parent.parent)
    write_manifest(manifest, [replace(lines[0], sentence="别的"), *lines[1:]])
    table = opened(manifest, encoder)
    assert table.utterances[0].sentence == "别的"
    folders.add(table.rows.files[0].parent.parent)
    assert len(folders) == 4


def test_processes_that_cannot_keep_it_find_what_the_others_made(
    manifest: Path, encoder: LabelEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = opened(manifest, encoder)
    folders = []
    for number in (1, 2):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"of process {number}"))
        share = Shard(number, 2)
        folders.append(write_rows(read_manifest(manifest), encoder, (0.1, 30.0), share))
    assert folders[0] != folders[1]
    assert same(open_table(folders, read_manifest(manifest)), whole)


USE = """
import sys
from utils.data.kept import kept_folder
print(kept_folder(sys.argv[1]), flush=True)
sys.stdin.read()
"""


def test_old_tables_go_and_used_ones_stay(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kept, "MOST_BYTES", 1500)
    tables = cache_folder() / "tables"
    names = ["used", "older", "newer"]
    for age, name in enumerate(reversed(names)):
        (tables / name).mkdir(parents=True)
        (tables / name / "rows").write_bytes(bytes(1000))
        os.utime(tables / name, (time.time() - 100 * age - 100,) * 2)
    with subprocess.Popen(
        [sys.executable, "-c", USE, "used"],
        cwd=repository,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.utime(tables / "used", (1, 1))  # too old, but used
        kept_folder("mine")
        assert {each.name for each in tables.iterdir() if each.is_dir()} == {
            "mine",
            "newer",
            "used",
        }
        process.communicate()
    os.utime(tables / "used", (1, 1))
    kept_folder("other")
    assert not (tables / "used").exists()
