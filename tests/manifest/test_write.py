"""A manifest that is written is whole, and reads back as it was."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.manifest.write import path_from_manifest, write_manifest

UTTERANCES = [
    Utterance(AudioRef("/a.wav", 0.5, 2.0, extra={"rate": 8000}), "你好 <b>", "a", "zh", (), 1.5)
    if text == "no speech"
    else Utterance(AudioRef("/b.wav"), text, text, extra={"words": [1, None, {"x": "é"}]})
    for text in ("one", "two\u2028lines\n", "हिन्दी में")
]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz", "new/folder/a.jsonl.gz"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert write_manifest(path, UTTERANCES) == 3
    assert list(read_manifest(path)) == UTTERANCES
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode("utf-8")
    assert "हिन्दी में" in text
    assert [json.loads(each)["id"] for each in text.split("\n")[:-1]] == [
        each.id for each in UTTERANCES
    ]


def test_the_same_lines_give_the_same_bytes(tmp_path: Path) -> None:
    write_manifest(tmp_path / "a.json.gz", UTTERANCES)
    write_manifest(tmp_path / "b.json.gz", UTTERANCES)
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


def test_a_failure_leaves_the_earlier_file(tmp_path: Path) -> None:
    def failing() -> Iterator[Utterance]:
        yield UTTERANCES[0]
        raise RuntimeError("the source broke")

    path = tmp_path / "a.json"
    write_manifest(path, UTTERANCES)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="the source broke"):
        write_manifest(path, failing())
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {1}, "\ud800"])
def test_what_json_cannot_hold_is_named(tmp_path: Path, bad: object) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(UserError, match="the utterance 'x' cannot be written"):
        write_manifest(path, [Utterance(AudioRef("/a.wav"), "x", "x", extra={"bad": bad})])
    assert not path.exists()


def test_paths_are_spelt_for_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert path_from_manifest("data/audio/a.wav", "data/train.json") == "audio/a.wav"
    assert path_from_manifest(tmp_path / "data/a.wav", "data/train.json") == "a.wav"
    assert path_from_manifest("audio/a.wav", "data/train.json") == str(tmp_path / "audio/a.wav")
