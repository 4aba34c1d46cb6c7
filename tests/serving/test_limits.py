"""How much the server takes, and what happens to requests that go wrong on the way."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
import soundfile

from utils.serving import gate


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def head(server, length: int, path: str = "/recognition") -> bytes:
    place = server.url.removeprefix("http://")
    return (
        f"POST {path} HTTP/1.1\r\nHost: {place}\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    ).encode()


def connect(server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def test_concurrent_answers_are_those_of_each_alone(server, clips):
    alone = [server.texts(clip) for clip in clips]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(server.texts, clips * 2))
    assert together == alone * 2
    assert max(server.service.scheduler.counts.batches) > 1


def test_a_large_upload_is_refused_by_its_stated_length(server):
    with server.settings(max_upload_mb=0.1), connect(server) as client:
        client.sendall(head(server, 50_000_000))
        assert b" 413 " in client.recv(1000)


def test_a_large_upload_is_refused_while_it_streams(server, monkeypatch):
    monkeypatch.setattr(gate, "FORM_BYTES", 0)

    def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
        while True:
            yield bytes(100_000)

    with server.settings(max_upload_mb=0.5):
        try:
            answer = requests.post(
                f"{server.url}/recognition",
                data=endless(),
                headers={"Content-Type": "multipart/form-data; boundary=x"},
                timeout=60,
            )
        except requests.ConnectionError:
            pass  # the connection was closed while it was still sending
        else:
            assert answer.status_code == 413
    assert not server.files()


def test_a_slow_upload_is_given_up(server, monkeypatch):
    monkeypatch.setattr(gate, "IDLE_SECONDS", 0.2)
    with connect(server) as client:
        client.sendall(head(server, 1000) + b"--x\r\n")
        assert b" 408 " in client.recv(1000)
    until(lambda: server.service.active == 0)


def test_a_long_recording_is_refused_however_small_its_file(server, tmp_path):
    """Ten minutes of silence are some kilobytes of FLAC."""
    bomb = tmp_path / "silence.flac"
    soundfile.write(bomb, np.zeros(16_000 * 600, np.int16), 16_000)
    assert bomb.stat().st_size < 500_000
    with server.settings(max_audio_seconds=60):
        answer = server.post("/recognition", bomb)
    assert answer.status_code == 413 and "longer than 60 s" in answer.text
    assert not server.files()


def test_silence_is_an_empty_answer(server, tmp_path):
    quiet = tmp_path / "silence.flac"
    soundfile.write(quiet, np.zeros(16_000 * 40, np.int16), 16_000)
    assert server.texts(quiet, model="tiny") == []


def test_more_requests_than_it_takes_are_told_when_to_come_again(server, clips):
    with server.settings(max_requests=1), server.service.admitted():
        answer = server.post("/recognition", clips[0])
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert requests.get(f"{server.url}/health", timeout=60).status_code == 200
    assert server.post("/recognition", clips[0], model="tiny").status_code == 200


def test_a_request_that_takes_too_long_is_given_up(server, clips):
    with server.settings(request_timeout=0.05):
        answer = server.post("/recognition", clips[0])
    assert answer.status_code in (408, 422, 503)
    until(lambda: not server.files() and not server.service.scheduler.line.jobs)


def test_what_a_client_that_left_asked_for_is_not_decoded(server, talk):
    body = b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
    body += talk.read_bytes() + b"\r\n--x--\r\n"
    with connect(server) as client:
        client.sendall(head(server, len(body)) + body)
        until(lambda: server.service.active == 1)
    until(lambda: server.service.active == 0 and not server.files())
    assert not server.service.scheduler.line.jobs


def test_the_request_of_a_worker_that_is_killed_is_answered(server, clips):
    scheduler = server.service.scheduler
    before = scheduler.counts.restarts
    expected = [server.texts(clip) for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(server.texts, clip) for clip in clips]
        until(lambda: any(not each.done() for each in asked))
        os.kill(scheduler.workers[0].process.pid, signal.SIGKILL)
        assert [each.result() for each in asked] == expected
    until(lambda: scheduler.counts.restarts > before and scheduler.is_ready)


def test_an_idle_worker_that_is_killed_is_replaced(server, clips):
    worker = server.service.scheduler.workers[0]
    starts = worker.starts
    os.kill(worker.process.pid, signal.SIGKILL)
    until(lambda: worker.starts > starts and worker.facts and worker.is_alive)
    assert server.texts(clips[0])


def test_a_file_of_which_the_reader_dies_is_refused_alone(server, clips, talk):
    readers = server.service.readers.children
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.post, "/recognition", talk, model="tiny")
        until(lambda: any(path.suffix == ".samples" for path in server.files()))
        for each in readers:
            os.kill(each.process.pid, signal.SIGKILL)
        assert asked.result().status_code in (200, 422)
    assert server.texts(clips[0])


def test_a_server_that_stops_answers_what_it_accepted(start_server, demo_model, clips):
    server = start_server(demo_model)
    expected = server.texts(clips[0])
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(server.texts, clips[0]) for _ in range(4)]
        until(lambda: server.service.active == 4 or any(each.done() for each in asked))
        stopping = threading.Thread(target=server.close)
        stopping.start()
        assert [each.result() for each in asked] == [expected] * 4
        stopping.join()
    assert not server.service.folder.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/health", timeout=5)
