"""Downloads go on where they were cut off, and are checked before they are used."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from utils.cli.errors import Failure
from utils.sources.fetch.download import RemoteFile, download

CONTENT = bytes(range(256)) * 8192  # 2 MiB
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; remembers the ranges asked for; cuts off the first `cuts` answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.cuts = 0
        self.knows_ranges = True

    def file(self, name: str = "corpus.tgz", md5: str = MD5) -> RemoteFile:
        return RemoteFile(f"http://127.0.0.1:{self.server_port}/{name}", md5, "the corpus")


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path != "/corpus.tgz":
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.server.knows_ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        content = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.server.cuts:
            self.server.cuts -= 1
            content = content[: len(content) // 3]
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_file_arrives_whole(server: Server, tmp_path: Path) -> None:
    path = download(server.file(), tmp_path / "new" / "corpus.tgz")
    assert path.read_bytes() == CONTENT
    assert [each.name for each in path.parent.iterdir()] == ["corpus.tgz"]


def test_what_was_cut_off_goes_on(server: Server, tmp_path: Path) -> None:
    server.cuts = 3
    path = download(server.file(), tmp_path / "corpus.tgz", pause_seconds=0)
    assert path.read_bytes() == CONTENT
    assert server.ranges[0] is None
    assert len(server.ranges) == 4
    starts = [int(each[6:-1]) for each in server.ranges[1:] if each]
    assert starts == sorted(starts)
    assert starts[0] > 0


def test_a_killed_download_goes_on(server: Server, tmp_path: Path) -> None:
    (tmp_path / "corpus.tgz.part").write_bytes(CONTENT[:1000])
    path = download(server.file(), tmp_path / "corpus.tgz")
    assert path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_a_download_killed_after_its_last_byte_is_finished(server: Server, tmp_path: Path) -> None:
    (tmp_path / "corpus.tgz.part").write_bytes(CONTENT)
    assert download(server.file(), tmp_path / "corpus.tgz").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.knows_ranges = False
    (tmp_path / "corpus.tgz.part").write_bytes(CONTENT[:1000])
    assert download(server.file(), tmp_path / "corpus.tgz").read_bytes() == CONTENT


def test_a_file_that_is_there_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "corpus.tgz").write_bytes(b"the user's")
    download(server.file(), tmp_path / "corpus.tgz")
    assert (tmp_path / "corpus.tgz").read_bytes() == b"the user's"
    assert server.ranges == []


def test_a_wrong_md5_is_refused_and_the_file_kept_apart(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Failure) as error:
        download(server.file(md5="0" * 32), tmp_path / "corpus.tgz")
    assert f"its MD5 is {MD5}, expected {'0' * 32}" in error.value.message
    assert [each.name for each in tmp_path.iterdir()] == ["corpus.tgz.bad"]


def test_a_file_that_the_server_lacks_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Failure) as error:
        download(server.file("other.tgz"), tmp_path / "corpus.tgz")
    assert (
        error.value.message == "the corpus cannot be downloaded: the server answered 404 Not Found"
    )
    assert len(server.ranges) == 0


def test_without_a_network_the_user_learns_what_to_fetch(tmp_path: Path) -> None:
    # Nothing listens on a port that was just given back.
    with Server() as closed:
        remote = closed.file()
    (tmp_path / "corpus.tgz.part").write_bytes(b"x" * 3_000_000)
    with pytest.raises(Failure) as error:
        download(remote, tmp_path / "corpus.tgz", pause_seconds=0)
    assert "the corpus cannot be downloaded: " in error.value.message
    assert f"fetch {remote.url}" in error.value.hint
    assert f"put it at {tmp_path / 'corpus.tgz'}" in error.value.hint
    assert "3 MB are kept" in error.value.hint
    assert (tmp_path / "corpus.tgz.part").stat().st_size == 3_000_000


def test_a_download_that_is_cut_off_for_good_keeps_what_came(
    server: Server, tmp_path: Path
) -> None:
    server.cuts = 100
    with pytest.raises(Failure, match="the connection was cut off"):
        download(server.file(), tmp_path / "corpus.tgz", pause_seconds=0)
    part = (tmp_path / "corpus.tgz.part").read_bytes()
    assert part == CONTENT[: len(part)]
    assert len(part) > len(CONTENT) // 2
