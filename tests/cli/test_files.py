from __future__ import annotations

import hashlib
import os

import pytest

from utils.cli.files import atomic_write, sha256_file


def test_text_is_written_as_utf8_with_newlines_as_they_are(tmp_path):
    with atomic_write(tmp_path / "new" / "a.txt") as handle:
        handle.write("你好\r\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "你好\r\n".encode()


def test_bytes_are_written_as_they_are(tmp_path):
    with atomic_write(tmp_path / "a.bin", "wb") as handle:
        handle.write(b"\x00\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\xff"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_earlier_file_and_no_rest(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("before")

    def write_half():
        with atomic_write(path) as handle:
            handle.write("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_nothing_is_there_until_the_end(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as handle:
        handle.write("all")
        assert not path.exists()
    assert path.read_text() == "all"


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
    with atomic_write(tmp_path / "link.txt") as handle:
        handle.write("x")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "x"


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, (1 << 20) + 1])
def test_the_hash_is_that_of_all_bytes(tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()
