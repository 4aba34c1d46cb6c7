"""The rows of a training table lie on disk, made in parts by the processes of a machine."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.cli.errors import UserError
from utils.cli.files import cache_folder
from utils.data import dataset
from utils.data.dataset import open_table, training_table, write_rows
from utils.data.labels import LabelEncoder
from utils.data.table import RowFile, new_folder, open_rows, read_dropped
from utils.manifest import read
from utils.manifest.read import Dropped, read_manifest
from utils.manifest.write import write_manifest
from utils.model.load import load_model
from utils.parallel.shards import Shard

LIMITS = (0.5, 30.0)


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> LabelEncoder:
    return load_model(str(tiny_model)).label_encoder(language="zh", timestamps=True)


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_parts_are_the_whole(
    speech_manifest: Path, encoder: LabelEncoder, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(speech_manifest)
    whole = training_table(manifest, encoder, *LIMITS)
    monkeypatch.setattr(read, "LARGE_BYTES", 0)
    stored = read_manifest(speech_manifest)
    parts = [write_rows(stored, encoder, LIMITS, Shard(n, count)) for n in range(1, count + 1)]
    table = open_table(parts, stored)
    assert table.utterances == whole.utterances
    assert [each.id for each in table.utterances] == [each.id for each in manifest]
    assert np.array_equal(table.durations, whole.durations)
    assert np.array_equal(table.num_tokens, whole.num_tokens)
    assert table.durations.dtype == np.float64
    assert table.num_tokens.dtype == np.int64


def test_what_is_left_out_is_named_whoever_leaves_it_out(
    speech_manifest: Path, encoder: LabelEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "ROWS_AT_ONCE", 2)
    lines = list(read_manifest(speech_manifest))
    longer = replace(lines[3], id="long", duration=31.0)
    shorter = replace(lines[0], id="short", duration=0.2)
    write_manifest(tmp_path / "a.json", [*lines[:2], longer, *lines[2:], shorter])
    manifest = read_manifest(tmp_path / "a.json")
    parts = [write_rows(manifest, encoder, LIMITS, Shard(number, 2)) for number in (1, 2)]
    table = open_table(parts, manifest)
    assert len(table) == len(lines)
    assert table.dropped == [
        Dropped("long", "31.00 s is longer than 30 s"),
        Dropped("short", "0.20 s is shorter than 0.5 s"),
    ]
    write_manifest(tmp_path / "b.json", [longer])
    with pytest.raises(UserError, match="none of its 1 utterances can be trained on"):
        training_table(read_manifest(tmp_path / "b.json"), encoder, *LIMITS)


def test_workers_map_the_file_instead_of_copying_it(
    speech_manifest: Path, encoder: LabelEncoder
) -> None:
    table = training_table(read_manifest(speech_manifest), encoder, *LIMITS)
    copied = pickle.dumps(table.rows)
    assert table.rows[0]["line"].encode() not in copied
    assert pickle.loads(copied)[:] == table.rows[:]


def test_nothing_written_is_nothing_read() -> None:
    folder = new_folder()
    with RowFile(folder):
        pass
    assert len(open_rows(folder)) == 0
    assert read_dropped(folder) == []


LEAVE = """
import os, signal, sys
from utils.data.table import new_folder
print(new_folder(), flush=True)
os.kill(os.getpid(), signal.SIGKILL) if sys.argv[1] == "killed" else None
"""


@pytest.mark.parametrize("end", ["in peace", "killed"])
def test_folders_go_with_their_process_or_later(repository: Path, end: str) -> None:
    mine = new_folder()
    done = subprocess.run(
        [sys.executable, "-c", LEAVE, end], cwd=repository, capture_output=True, text=True
    )
    left = Path(done.stdout.strip())
    assert left.parent == cache_folder() / "tables"
    assert left.exists() == (end == "killed")
    new_folder()
    assert not left.exists()
    assert mine.exists()
