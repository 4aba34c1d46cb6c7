"""The rows of a training table lie on disk, made in parts by the processes of a machine."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.audio.clip import TimedSentence
from utils.cli.errors import UserError
from utils.cli.files import cache_folder, scratch_folder
from utils.data import make_table
from utils.data.dataset import Shares, SpeechDataset
from utils.data.labels import NO_IDS, LabelEncoder, Labels, TextIds
from utils.data.make_table import open_table, training_table, write_rows
from utils.data.table import Row, RowFile, open_rows, read_dropped
from utils.manifest import read
from utils.manifest.read import Dropped, read_manifest
from utils.manifest.utterance import Utterance
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
    monkeypatch.setattr(make_table, "PART_LINES", 2)
    stored = read_manifest(speech_manifest)
    folders = {write_rows(stored, encoder, LIMITS, Shard(n, count)) for n in range(1, count + 1)}
    table = open_table([*folders], stored)
    assert len(folders) == 1
    shutil.rmtree(table.rows.files[0].parent.parent)  # for the next number of processes
    assert table.utterances == whole.utterances
    assert [each.id for each in table.utterances] == [each.id for each in manifest]
    assert np.array_equal(table.durations, whole.durations)
    assert np.array_equal(table.num_tokens, whole.num_tokens)
    assert table.durations.dtype == np.float64
    assert table.num_tokens.dtype == np.int64


def test_what_is_left_out_is_named_whoever_leaves_it_out(
    speech_manifest: Path, encoder: LabelEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_table, "LINES_AT_ONCE", 2)
    monkeypatch.setattr(make_table, "PART_LINES", 5)
    lines = list(read_manifest(speech_manifest))
    longer = replace(lines[3], id="long", duration=31.0)
    shorter = replace(lines[0], id="short", duration=0.2)
    write_manifest(tmp_path / "a.json", [*lines[:2], longer, *lines[2:], shorter])
    manifest = read_manifest(tmp_path / "a.json")
    folders = [write_rows(manifest, encoder, LIMITS, Shard(number, 2)) for number in (1, 2)]
    table = open_table(folders, manifest)
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
    assert table.rows[0].line.encode() not in copied
    again = pickle.loads(copied)
    assert len(again) == len(table.rows)
    for name in Row._fields:
        assert list(again.values(name)) == list(table.rows.values(name))


def test_nothing_written_is_nothing_read(encoder: LabelEncoder) -> None:
    folder = scratch_folder("tables")
    with RowFile(folder, encoder):
        pass
    assert len(open_rows([folder])) == 0
    assert read_dropped(folder) == []


def test_columns_answer_what_the_utterances_would(
    speech_manifest: Path, encoder: LabelEncoder, tmp_path: Path
) -> None:
    lines = list(read_manifest(speech_manifest))
    silent = replace(lines[1], id="silent", sentence="", sentences=())
    write_manifest(tmp_path / "a.json", [*lines, silent])
    table = training_table(read_manifest(tmp_path / "a.json"), encoder, *LIMITS)
    for index, utterance in enumerate(table.utterances):
        row = table.rows[index]
        labels = encoder.encode(utterance)
        assert tuple(row.decoder_input_ids) == labels.decoder_input_ids
        assert tuple(row.labels) == labels.labels
        assert row.num_tokens == len(labels)
        assert row.is_silent == (not utterance.sentence)
        assert (row.language, row.source) == (utterance.language, utterance.source)
    places = (3, 3, 0, 1)
    chosen = table.rows.select([3, 3, 0]).followed_by(table.rows.select([1]))
    assert list(chosen.values("line")) == [table.rows[place].line for place in places]
    assert list(chosen.numbers("num_tokens")) == [table.rows[n].num_tokens for n in places]


def test_an_utterance_is_encoded_once_unless_it_is_shown_otherwise(
    speech_manifest: Path, encoder: LabelEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = TimedSentence(0.0, 1.0, "x")
    lines = [
        replace(line, prompt="before", sentences=(times,))
        for line in read_manifest(speech_manifest)
    ]
    path = speech_manifest.parent / "shown.json"
    write_manifest(path, lines)
    table = training_table(read_manifest(path), encoder, *LIMITS)
    encoded: list[str] = []
    encode = LabelEncoder.encode

    def count(self: LabelEncoder, utterance: Utterance, known: TextIds = NO_IDS) -> Labels:
        encoded.append(utterance.id)
        return encode(self, utterance, known)

    monkeypatch.setattr(LabelEncoder, "encode", count)
    shown = SpeechDataset(table, encoder)
    expected = [encode(encoder, utterance) for utterance in table.utterances]
    assert [shown[row].labels for row in range(len(table))] == expected
    assert encoded == []
    without = SpeechDataset(table, encoder, shares=Shares(timestamps=0.0, prompt=0.0))
    bare = [replace(u, sentences=None, prompt=None) for u in table.utterances]
    expected = [encode(encoder, utterance) for utterance in bare]
    assert [without[row].labels for row in range(len(table))] == expected
    assert len(encoded) == len(table)
    other = LabelEncoder(encoder.tokenizer, language="en", timestamps=False)
    assert SpeechDataset(table, other)[0].labels == encode(other, table.utterances[0])


LEAVE = """
import os, signal, sys
from utils.cli.files import scratch_folder
print(scratch_folder("tables"), flush=True)
os.kill(os.getpid(), signal.SIGKILL) if sys.argv[1] == "killed" else None
"""


@pytest.mark.parametrize("end", ["in peace", "killed"])
def test_folders_go_with_their_process_or_later(repository: Path, end: str) -> None:
    mine = scratch_folder("tables")
    done = subprocess.run(
        [sys.executable, "-c", LEAVE, end], cwd=repository, capture_output=True, text=True
    )
    left = Path(done.stdout.strip())
    assert left.parent == cache_folder() / "tables"
    assert left.exists() == (end == "killed")
    scratch_folder("tables")
    assert not left.exists()
    assert mine.exists()
