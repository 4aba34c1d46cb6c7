"""A large manifest stays in its file, and is read as a small one is."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.manifest.test_read import line, manifest_of
from utils.cli.errors import UserError
from utils.cli.files import cache_folder
from utils.manifest import compressed as unpacking
from utils.manifest import json_lines, line_index, read
from utils.manifest import lazy as stored
from utils.manifest.lazy import LazyManifest
from utils.manifest.read import BrokenLine, Manifest, read_manifest, scan_manifest


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "LARGE_BYTES", 0)
    monkeypatch.setattr(line_index, "FEW_PARTS", 1 << 40)  # no processes but where they are tested


def in_memory(path: Path) -> tuple[Manifest, list[BrokenLine]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read, "LARGE_BYTES", 1 << 40)
        return scan_manifest(path)


def expect_the_same(path: Path) -> Manifest:
    """Compare a stored manifest in all that it gives with one in memory."""
    manifest, broken = scan_manifest(path)
    expected, expected_broken = in_memory(path)
    assert isinstance(manifest.utterances, LazyManifest)
    assert not isinstance(expected.utterances, LazyManifest)
    assert list(manifest) == list(expected)
    assert list(manifest.lines) == list(expected.lines)
    assert broken == expected_broken
    assert (manifest.sha256, manifest.blank_lines) == (expected.sha256, expected.blank_lines)
    assert read.repeated_ids(manifest) == read.repeated_ids(expected)
    return manifest


LINES = [line(1), "", line(2), "{broken", line(3, id=None), line(1), " \t\r", line(4, sentence="ü")]
CONTENT = "\n".join(LINES).encode()


@pytest.mark.parametrize("part_bytes", [1, 70, 1 << 20])
@pytest.mark.parametrize(
    "content",
    [
        CONTENT,
        CONTENT + b"\n",
        b"\xef\xbb\xbf" + CONTENT,
        CONTENT.replace(b"\n", b"\r\n"),
        b"\n\n" + CONTENT + b"\n\n",
        gzip.compress(CONTENT, mtime=0),
        bz2.compress(CONTENT),
        lzma.compress(CONTENT),
        b"",
    ],
)
def test_every_form_is_read_as_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, part_bytes: int
) -> None:
    monkeypatch.setattr(line_index, "PART_BYTES", part_bytes)
    expect_the_same(manifest_of(tmp_path / "train.json", content))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=20))), st.integers(1, 300))
def test_any_lines_are_read_as_in_memory(lines: list[str], part_bytes: int) -> None:
    import tempfile

    content = "\n".join([line(0), *lines]).encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_index, "PART_BYTES", part_bytes)
        expect_the_same(manifest_of(Path(folder) / "a.json", content))


def test_any_line_any_piece_and_a_copy_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "BLOCK_LINES", 7)
    path = manifest_of(tmp_path / "a.json", "\n".join(line(number) for number in range(50)))
    manifest = read_manifest(path)
    expected = list(in_memory(path)[0])
    assert [manifest[place] for place in range(-50, 50)] == expected * 2
    for piece in (slice(10, 30), slice(None, None, 7), slice(40, 3, -2), slice(60, 70)):
        assert list(manifest.utterances[piece]) == expected[piece]
        assert list(manifest.lines[piece]) == list(range(1, 51))[piece]
    copied = pickle.loads(pickle.dumps(manifest.utterances[5:45]))
    assert list(copied) == expected[5:45]
    assert list(pickle.loads(pickle.dumps(manifest.lines[5:45]))) == list(range(6, 46))
    assert len(pickle.dumps(manifest)) < 2000
    with pytest.raises(IndexError):
        manifest[50]


def test_relative_paths_are_seen_from_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    content = "\n".join([line(1, audio={"path": "a.wav"}), line(2, audio={"path": "none.wav"})])
    manifest = expect_the_same(manifest_of(tmp_path / "a.json", content))
    assert [each.audio.path for each in manifest] == [str(tmp_path / "a.wav"), "none.wav"]


def test_several_processes_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_index, "PART_BYTES", 4000)
    monkeypatch.setattr(line_index, "FEW_PARTS", 2)
    monkeypatch.setattr(line_index.os, "cpu_count", lambda: 2)
    content = "\n".join([*(line(number) for number in range(500)), line(3), "{"])
    manifest = expect_the_same(manifest_of(tmp_path / "a.json", content))
    assert len(manifest) == 501


def test_a_second_opening_reads_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = manifest_of(tmp_path / "a.json", "\n".join(line(number) for number in range(5)))
    first = read_manifest(path)
    monkeypatch.setattr(line_index, "read_part", None)  # calling it would fail
    assert list(read_manifest(path)) == list(first)


def test_a_changed_manifest_is_read_again_and_its_old_index_goes(tmp_path: Path) -> None:
    path = manifest_of(tmp_path / "a.json", "\n".join(line(number) for number in range(5)))
    old = read_manifest(path).utterances
    assert isinstance(old, LazyManifest)
    os.utime(manifest_of(path, "\n".join(line(number) for number in range(5, 10))), ns=(7, 7))
    assert [each.id for each in read_manifest(path)] == ["u5", "u6", "u7", "u8", "u9"]
    assert not old.line_index.folder.exists()
    with pytest.raises(UserError, match="was changed while it was in use"):
        old[0]


def test_a_file_cut_short_while_in_use_is_named(tmp_path: Path) -> None:
    path = manifest_of(tmp_path / "a.json", "\n".join(line(number) for number in range(5)))
    manifest = read_manifest(path)
    assert manifest[0].id == "u0"
    path.write_text("")
    with pytest.raises(UserError, match="was changed while it was in use"):
        manifest[4]


def test_no_cache_folder_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    expect_the_same(manifest_of(tmp_path / "a.json", CONTENT))


def test_a_damaged_archive_and_another_encoding_are_named(tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(5000), mtime=0)
    with pytest.raises(UserError, match="the compressed file is damaged"):
        read_manifest(manifest_of(tmp_path / "a.json", packed[:3000]))
    with pytest.raises(UserError, match="is text in UTF-16"):
        read_manifest(manifest_of(tmp_path / "b.json", CONTENT.decode().encode("utf-16")))


def test_what_unpacks_to_terabytes_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(unpacking, "ALLOWANCE_BYTES", 1 << 20)
    monkeypatch.setattr(line_index, "PART_BYTES", 1 << 16)
    path = manifest_of(tmp_path / "a.json", gzip.compress(line(1).encode() + b"\n" * (4 << 20)))
    with pytest.raises(UserError, match="unpacks to more than 200 times its size"):
        read_manifest(path)
    assert not [each for each in (cache_folder() / "manifests").iterdir() if each.is_dir()]


@pytest.mark.parametrize("part_bytes", [50, 1 << 20])
@pytest.mark.parametrize("long", ["x" * 3000, " " * 101 + line(7), '["' + "x" * 3000])
def test_a_line_too_long_for_memory_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: str, part_bytes: int
) -> None:
    monkeypatch.setattr(line_index, "PART_BYTES", part_bytes)
    for module in (json_lines, stored):
        monkeypatch.setattr(module, "MOST_BYTES_A_LINE", 100)
    lines = [line(1), long, line(2), line(3), long, long]
    path = manifest_of(tmp_path / "a.json", "\n".join(lines))
    broken = scan_manifest(path)[1]
    assert [each.line for each in broken] == [2, 5, 6]
    assert all("the line is longer than" in each.message for each in broken)
    monkeypatch.setattr(stored, "BLOCK_BYTES", 100)
    taken: list[int] = []
    read_piece = stored._Source.read

    def counted(source: stored._Source, begin: int, size: int) -> bytes:
        taken.append(size)
        return read_piece(source, begin, size)

    monkeypatch.setattr(stored._Source, "read", counted)
    assert [each.id for each in expect_the_same(path)] == ["u1", "u2", "u3"]
    assert max(taken) <= 200
    first = manifest_of(tmp_path / "b.json", "\n".join([long, *lines]))
    if not long.startswith("["):  # else it is one array
        expect_the_same(first)


def test_an_array_is_read_into_memory(tmp_path: Path) -> None:
    manifest = read_manifest(manifest_of(tmp_path / "a.json", f"[{line(1)},\n{line(2)}]"))
    assert [each.id for each in manifest] == ["u1", "u2"]


MEMORY = """
import re, sys
from utils.manifest import read
read.LARGE_BYTES = 0

def own():  # what no other process shares, in kB
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1])

begin = own()
manifest = read.read_manifest(sys.argv[1])
assert sum(len(each.sentence) for each in manifest) > 0
print(own() - begin)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_manifest(tmp_path: Path, repository: Path) -> None:
    grown = []
    for number in (20_000, 200_000):
        path = tmp_path / f"{number}.json"
        with open(path, "w") as file:
            for each in range(number):
                file.write(line(each, speaker="s" * 60) + "\n")
        # The first makes the index, as large as it may be; the second only opens it.
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", MEMORY, str(path)],
                cwd=repository,
                capture_output=True,
                text=True,
                check=True,
            )
        grown.append(int(done.stdout))
    assert grown[1] < grown[0] + 4000
