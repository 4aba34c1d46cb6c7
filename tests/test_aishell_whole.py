"""aishell.py on 400 speakers: downloaded, killed, gone on with, punctuated; no work done twice."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import aishell
from tests.sources import test_download
from tests.test_aishell import packed, sound, state, write_archive
from tests.transcription.test_punctuation import make_model
from utils.manifest.read import read_manifest
from utils.sources.fetch import aishell_archive as source
from utils.sources.fetch.download import RemoteFile

# As the corpus has them.
PARTS = {"train": range(2, 342), "dev": range(724, 764), "test": range(764, 784)}
SPEAKERS = [(part, f"S{number:04d}") for part, numbers in PARTS.items() for number in numbers]
TEXTS = ("今天 天气 很好 我们 去 公园 吧", "你好 吗")
DEADLINE = 120.0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data_aishell.tgz with its 400 speakers, two short clips each."""
    clip = sound(1, 0.05)
    lines, files = [], {}
    for part, speaker in SPEAKERS:
        names = [f"BAC009{speaker}W{number:04d}" for number in range(2)]
        lines += [f"{name} {text}" for name, text in zip(names, TEXTS, strict=True)]
        inner = {f"{part}/{speaker}/{name}.wav": clip for name in names}
        files[f"data_aishell/wav/{speaker}.tar.gz"] = packed(inner)
    assert len(SPEAKERS) == 400
    text = {"data_aishell/transcript/aishell_transcript_v0.8.txt": "\n".join(lines).encode()}
    return write_archive(tmp_path_factory.mktemp("archive") / "data_aishell.tgz", text | files)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expect_whole_corpus(punctuated: bool = False) -> None:
    expected = ["今天天气很好，我们去公园吧。", "你好吗？"]
    if not punctuated:
        expected = ["今天天气很好我们去公园吧", "你好吗"]
    for part, numbers in PARTS.items():
        manifest = read_manifest(f"dataset/{part}.json")
        assert [each.sentence for each in manifest] == expected * len(numbers)
        assert len({each.speaker for each in manifest}) == len(numbers)
        for each in manifest:
            assert each.sentences is not None
            assert each.sentences[0].text == each.sentence


def finished() -> list[str]:
    path = Path("dataset/audio/data_aishell/.finished_speakers")
    return path.read_text("utf-8").splitlines()[1:] if path.exists() else []


@pytest.mark.timeout(600)
def test_a_run_killed_again_and_again_ends_like_one_that_was_not(
    here: Path, archive: Path, repository: Path
) -> None:
    command = [sys.executable, str(repository / "aishell.py"), f"--filepath={archive}"]
    before: dict[str, tuple[str, int]] = {}
    for wanted in (1, 120, 280):
        process = subprocess.Popen([*command, "--num_workers=2"], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + DEADLINE
            while len(finished()) < wanted and time.monotonic() < deadline:
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.002)
        finally:
            process.kill()
            process.wait()
        assert not Path("dataset/train.json").exists()
        assert not Path("dataset/audio/data_aishell/.completed").exists()
        now = state(here / "dataset/audio/data_aishell/wav")
        assert before.items() <= now.items(), "a file was written twice"
        before = {name: each for name, each in now.items() if name.endswith(".wav")}
    subprocess.run([*command, "--num_workers=2"], check=True, capture_output=True)
    now = state(here / "dataset/audio/data_aishell/wav")
    assert before.items() <= now.items()
    assert len(now) == 800 and all(name.endswith(".wav") for name in now)
    assert sorted(finished()) == sorted(f"{speaker}.tar.gz" for _, speaker in SPEAKERS)
    expect_whole_corpus()
    manifest = Path("dataset/train.json").read_bytes()
    subprocess.run(command, check=True, capture_output=True)
    assert state(here / "dataset/audio/data_aishell/wav") == now
    assert Path("dataset/train.json").read_bytes() == manifest


def test_the_archive_is_downloaded_though_the_connection_breaks(
    here: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive.read_bytes()
    monkeypatch.setattr(test_download, "CONTENT", content)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with test_download.Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.cuts = 3
        url = f"http://127.0.0.1:{server.server_port}/corpus.tgz"
        remote = RemoteFile(url, hashlib.md5(content).hexdigest(), "the corpus")
        monkeypatch.setattr(source, "ARCHIVE", remote)
        aishell.main([])
        aishell.main([])
        server.shutdown()
    # Each request went on where the one before was cut off, and the second run asked for nothing.
    starts = [int(each[6:-1]) if each else 0 for each in server.ranges]
    assert len(starts) == 4 and starts == sorted(set(starts))
    expect_whole_corpus()


def test_a_local_model_punctuates_the_transcripts(
    here: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model(here / "punctuation")
    aishell.main([f"--filepath={archive}", f"--add_pun={model}"])
    expect_whole_corpus(punctuated=True)
    # 800 utterances, two texts: each was asked for once.
    (memory,) = Path("dataset/audio").glob(".punctuated_*.jsonl")
    assert len(memory.read_text("utf-8").splitlines()) == 2
    first = Path("dataset/train.json").read_bytes()
    aishell.main([f"--filepath={archive}", f"--add_pun={model}"])
    assert Path("dataset/train.json").read_bytes() == first
