"""Packed sound is the same sound, whatever the names, in parts or at once, killed or not."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

import custom
from utils.audio.decode import decode_audio
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.parallel.shards import Shard, parse_shard
from utils.sources.pack import PackSettings, pack, parse_size

NAMES = [
    "a b.wav",
    "quo'te\".wav",
    "今天.flac",
    "new\nline.wav",
    "-dash.wav",
    "नमस्ते.ogg",
    "plain.wav",
]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Seven files with names of every kind; two lines are pieces of the last."""
    folder = tmp_path / "in"
    folder.mkdir()
    lines = []
    for number, name in enumerate(NAMES):
        samples = np.random.default_rng(number).uniform(-0.2, 0.2, 8000)
        soundfile.write(folder / name, samples, 16_000)
        lines.append({"audio": {"path": name}, "sentence": f"text {number}", "id": f"u{number}"})
    lines[-1]["audio"] = {"path": NAMES[-1], "start_time": 0.0, "end_time": 0.2}
    piece = {"path": NAMES[-1], "start_time": 0.2, "end_time": 0.5}
    lines.append({"audio": piece, "sentence": "more", "id": "u7", "speaker": "S", "mine": 1})
    path = folder / "train.json"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def packed(manifest: Path, folder: Path, **flags: str) -> Path:
    return pack(PackSettings(path=str(manifest), output_dir=str(folder), **flags)).manifests[
        "packed"
    ]


def digests(folder: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir()}


def test_every_line_sounds_as_before(manifest: Path, tmp_path: Path) -> None:
    result = packed(manifest, tmp_path / "out", shard_size="40KB")
    assert len(list((tmp_path / "out").glob("*.tar"))) == 4
    for before, after in zip(read_manifest(manifest), read_manifest(result), strict=True):
        assert np.array_equal(decode_audio(before.audio)[0], decode_audio(after.audio)[0])
        assert (before.id, before.sentence, before.extra) == (after.id, after.sentence, after.extra)
        assert after.audio.path.endswith(".tar")


def test_any_tar_program_reads_the_tars(manifest: Path, tmp_path: Path) -> None:
    packed(manifest, tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "shard-000.tar") as tar:
        assert [each.name for each in tar][:3] == [
            "000000000.wav",
            "000000001.wav",
            "000000002.flac",
        ]


def test_the_same_input_gives_the_same_bytes_and_is_not_written_twice(
    manifest: Path, tmp_path: Path
) -> None:
    packed(manifest, tmp_path / "one", shard_size="40KB")
    packed(manifest, tmp_path / "two", shard_size="40KB")
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    kept, cut = (tmp_path / "one" / f"shard-00{number}.tar" for number in (0, 1))
    before = kept.stat().st_mtime_ns
    cut.write_bytes(cut.read_bytes()[:700])
    (tmp_path / "one" / "shard-002.tar").unlink()
    packed(manifest, tmp_path / "one", shard_size="40KB")
    assert kept.stat().st_mtime_ns == before
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_a_file_that_changed_is_packed_again(manifest: Path, tmp_path: Path) -> None:
    result = packed(manifest, tmp_path / "out")
    soundfile.write(manifest.parent / NAMES[0], np.full(8000, 0.1), 16_000)
    later = (tmp_path / "out" / "shard-000.tar").stat().st_mtime_ns + 10**9
    os.utime(manifest.parent / NAMES[0], ns=(later, later))
    packed(manifest, tmp_path / "out")
    assert decode_audio(read_manifest(result)[0].audio)[0].mean() == pytest.approx(0.1, abs=1e-3)


def test_parts_together_hold_every_line_once(manifest: Path, tmp_path: Path) -> None:
    parts = [packed(manifest, tmp_path / "out", shard=f"{n}/3") for n in (1, 2, 3)]
    assert [each.name for each in parts] == [f"train-{n}of3.json" for n in (1, 2, 3)]
    joined = f"--path={','.join(map(str, parts))}"
    custom.main(["manifest", joined, f"--output_dir={tmp_path / 'all'}"])
    whole = read_manifest(tmp_path / "all" / "train.json")
    assert [each.id for each in whole] == [f"u{n}" for n in range(8)]
    for before, after in zip(read_manifest(manifest), whole, strict=True):
        assert np.array_equal(decode_audio(before.audio)[0], decode_audio(after.audio)[0])


def test_tars_can_be_packed_again(manifest: Path, tmp_path: Path) -> None:
    small = packed(manifest, tmp_path / "small", shard_size="40KB")
    large = packed(small, tmp_path / "large")
    for before, after in zip(read_manifest(manifest), read_manifest(large), strict=True):
        assert np.array_equal(decode_audio(before.audio)[0], decode_audio(after.audio)[0])


def test_what_is_missing_is_listed(manifest: Path, tmp_path: Path) -> None:
    (manifest.parent / NAMES[2]).unlink()
    result = packed(manifest, tmp_path / "out")
    assert len(read_manifest(result)) == 7
    listed = (tmp_path / "out" / "pack_left_out.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in listed] == ["u2"]


def test_the_manifest_is_never_replaced(manifest: Path) -> None:
    with pytest.raises(UserError, match="is the manifest itself"):
        packed(manifest, manifest.parent)


@pytest.mark.parametrize(("text", "size"), [("1GB", 10**9), ("1.5 mb", 1_500_000), ("700", 700)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "1 gigabyte", "-3", "GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UserError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "-1/2"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(UserError, match="is no part of a whole"):
        parse_shard(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_parts_hold_everything_once(count: int) -> None:
    parts = [Shard(number, count).of(range(10)) for number in range(1, count + 1)]
    assert [item for part in parts for item in part] == list(range(10))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
