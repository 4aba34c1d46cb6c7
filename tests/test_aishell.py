"""aishell.py on archives of the real layout: complete, restartable, and safe for what is there."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import aishell
from utils.cli import leftovers
from utils.cli.errors import Failure, UserError
from utils.manifest.joining import join_chinese
from utils.manifest.read import read_manifest
from utils.sources.aishell import prepare_aishell
from utils.sources.fetch import aishell_archive as source
from utils.sources.fetch.download import RemoteFile

SPEAKERS = {"S0002": "train", "S0003": "train", "S0724": "dev", "S0764": "test"}
TEXTS = ["而 对 楼市 成交 抑制 作用 最 大 的 限 购", "尚街 Loft 时尚 生活 园区", "我 要 听 hip hop"]
JOINED = ["而对楼市成交抑制作用最大的限购", "尚街Loft时尚生活园区", "我要听hip hop"]


def sound(seed: int, seconds: float = 0.5) -> bytes:
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    soundfile.write(buffer, rng.uniform(-0.1, 0.1, round(16000 * seconds)), 16000, format="WAV")
    return buffer.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes, **changes: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in changes.items():
        setattr(member, field, value)
    tar.addfile(member, io.BytesIO(content))


def packed(files: dict[str, bytes], compressed: bool = True, **changes: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            add(tar, name, content, **changes)
    # Without the time in its header an archive, and a test named after it, is always the same.
    return gzip.compress(buffer.getvalue(), mtime=0) if compressed else buffer.getvalue()


def utterance_id(speaker: str, number: int) -> str:
    return f"BAC009{speaker}W{number:04d}"


def speaker_archive(speaker: str, extra: dict[str, bytes] | None = None) -> bytes:
    folder = f"{SPEAKERS[speaker]}/{speaker}"
    files = {
        f"{folder}/{utterance_id(speaker, number)}.wav": sound(int(speaker[1:]) + number)
        for number in range(3)
    }
    return packed(files | (extra or {}))


def corpus_files() -> dict[str, bytes]:
    """Return path -> content of a corpus in the layout of data_aishell.tgz."""
    lines = [
        f"{utterance_id(speaker, number)} {TEXTS[number]}\n"
        for speaker in SPEAKERS
        for number in range(3)
    ]
    files = {"data_aishell/transcript/aishell_transcript_v0.8.txt": "".join(lines).encode()}
    for speaker in SPEAKERS:
        files[f"data_aishell/wav/{speaker}.tar.gz"] = speaker_archive(speaker)
    return files


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(packed(files))
    return path


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def unpack_speakers(folder: Path, names: list[str]) -> None:
    """Unpack and remove speakers' archives, as the usual recipes do."""
    for name in names:
        path = folder / "data_aishell" / "wav" / f"{name}.tar.gz"
        with tarfile.open(path) as tar:
            tar.extractall(path.parent, filter="data")
        path.unlink()


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Return path -> (hash, time of change) of every file below a folder."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run(filepath: Path | None, *flags: str) -> None:
    aishell.main([*([f"--filepath={filepath}"] if filepath else []), *flags])


def texts_of(path: str) -> dict[str, str]:
    return {utterance.id: utterance.sentence for utterance in read_manifest(path)}


def expect_whole_corpus() -> None:
    for split in ("train", "dev", "test"):
        manifest = read_manifest(f"dataset/{split}.json")
        speakers = [each for each, its_split in SPEAKERS.items() if its_split == split]
        assert texts_of(f"dataset/{split}.json") == {
            utterance_id(speaker, number): JOINED[number]
            for speaker in speakers
            for number in range(3)
        }
        for utterance in manifest:
            assert (utterance.language, utterance.source) == ("zh", "aishell-1")
            assert utterance.speaker == utterance.id[6:11]
            assert utterance.duration == 0.5
            assert soundfile.info(utterance.audio.path).frames == 8000
            expected = sound(int(utterance.speaker[1:]) + int(utterance.id[-4:]))
            assert Path(utterance.audio.path).read_bytes() == expected


@pytest.mark.parametrize(
    "form", ["tgz", "tar", "folder", "inner folder", "partly unpacked", "unpacked"]
)
def test_every_form_gives_the_same_manifests(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    brought = tmp_path / "brought"
    brought.mkdir()
    path = brought
    if form in ("tgz", "tar"):
        path = brought / f"data_aishell.{form}"
        path.write_bytes(packed(corpus_files(), compressed=form == "tgz"))
    else:
        write_folder(brought, corpus_files())
    if form == "partly unpacked":
        unpack_speakers(brought, ["S0002", "S0764"])
    if form == "unpacked":
        unpack_speakers(brought, list(SPEAKERS))
    if form == "inner folder":
        path = brought / "data_aishell"
    before = state(brought)
    run(path)
    expect_whole_corpus()
    assert state(brought) == before
    output = capsys.readouterr().out
    assert "dataset/train.json: 6 utterances, 0.00 hours" in output
    assert "left out" not in output
    has_unpacked = (here / "dataset/audio/data_aishell/wav").exists()
    assert has_unpacked == (form != "unpacked")


def test_folders_can_be_chosen(here: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tgz", corpus_files())
    run(archive, f"--target_dir={tmp_path / 'sound'}", "--annotation_text=text")
    audio = read_manifest("text/dev.json")[0].audio.path
    assert audio == str(
        tmp_path / "sound/data_aishell/wav/dev/S0724" / f"{utterance_id('S0724', 0)}.wav"
    )
    assert sorted(os.listdir("text")) == [
        "aishell_left_out.jsonl",
        "dev.json",
        "test.json",
        "train.json",
    ]
    assert os.listdir(here) == ["text"]


def test_the_data_folder_can_be_moved(here: Path, tmp_path: Path) -> None:
    run(write_archive(tmp_path / "a.tgz", corpus_files()))
    (here / "dataset").rename(tmp_path / "elsewhere")
    for utterance in read_manifest(tmp_path / "elsewhere" / "train.json"):
        assert Path(utterance.audio.path).exists()


def test_what_does_not_fit_together_is_counted_and_named(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = corpus_files()
    transcript = files["data_aishell/transcript/aishell_transcript_v0.8.txt"].decode()
    lines = transcript.splitlines()
    lines.remove(f"{utterance_id('S0002', 0)} {TEXTS[0]}")
    lines.remove(f"{utterance_id('S0003', 1)} {TEXTS[1]}")
    lines += [
        "BAC009S0002W9999 没有 声音",
        "",
        f"{utterance_id('S0003', 1)}",
        f"{utterance_id('S0724', 0)} 另 一个",
    ]
    content = "\ufeff" + "\r\n".join(lines)
    files["data_aishell/transcript/aishell_transcript_v0.8.txt"] = content.encode()
    files["data_aishell/wav/S0764.tar.gz"] = speaker_archive(
        "S0764",
        {
            "test/S0764/BAC009S0764W0007.wav": b"no sound",
            "test/S0764/._BAC009S0764W0001.wav": b"",
            "test/S0764/notes.txt": b"",
        },
    )
    files["data_aishell/transcript/aishell_transcript_v0.8.txt"] += "\nBAC009S0764W0007 坏".encode()
    run(write_archive(tmp_path / "a.tgz", files))
    left_out = list(
        map(json.loads, Path("dataset/aishell_left_out.jsonl").read_text("utf-8").splitlines())
    )
    assert {each["id"]: each["reason"].split(":")[0] for each in left_out} == {
        utterance_id("S0002", 0): "audio without transcript",
        utterance_id("S0003", 1): "no text",
        "BAC009S0002W9999": "transcript without audio",
        utterance_id("S0724", 0): "another text",
        "BAC009S0764W0007": "unreadable audio",
    }
    output = capsys.readouterr().out
    assert f"left out, audio without transcript: 1 ({utterance_id('S0002', 0)})" in output
    assert "left out, unreadable audio: 1 (BAC009S0764W0007)" in output
    assert "names each of the 5 left out" in output
    assert len(texts_of("dataset/train.json")) == 4
    assert len(texts_of("dataset/test.json")) == 3


@pytest.mark.parametrize(
    ("spaced", "joined"),
    [
        *zip(TEXTS, JOINED, strict=True),
        ("hello world", "hello world"),
        ("iphone 六 plus 来 了", "iphone六plus来了"),
        ("  两   个\t空格 ", "两个空格"),
        ("《 书名 》 ， 好", "《书名》，好"),
        ("𠮷 野 家", "𠮷野家"),
        ("", ""),
        ("a", "a"),
    ],
)
def test_spaces_stay_between_latin_words_alone(spaced: str, joined: str) -> None:
    assert join_chinese(spaced) == joined
    assert join_chinese(joined) == joined


def test_a_second_run_unpacks_nothing(here: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "data_aishell.tgz", corpus_files())
    run(archive)
    before = state(here / "dataset/audio")
    run(archive)
    assert state(here / "dataset/audio") == before
    expect_whole_corpus()


def test_without_the_archive_the_complete_folder_serves(here: Path, tmp_path: Path) -> None:
    # As after a download: the archive lies in target_dir, and is removed to save space.
    Path("dataset/audio").mkdir(parents=True)
    archive = write_archive(here / "dataset/audio/data_aishell.tgz", corpus_files())
    run(None)
    archive.unlink()
    run(None)
    expect_whole_corpus()


def test_a_run_that_was_cut_off_goes_on(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write_archive(tmp_path / "data_aishell.tgz", corpus_files())
    unpack_speaker = source._unpack_speaker
    begun = []

    def interrupted(name: str, content: Any, folder: Path) -> None:
        begun.append(name.split(": ")[1])
        if len(begun) == 3:
            leftovers._seen.clear()  # what follows is of another process
            write_half = folder / "dev" / "S0724" / f".{utterance_id('S0724', 0)}.wav.1.unfinished"
            write_half.parent.mkdir(parents=True)
            write_half.write_bytes(b"RIFF")
            raise KeyboardInterrupt
        unpack_speaker(name, content, folder)

    with monkeypatch.context() as patched:
        patched.setattr(source, "_unpack_speaker", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(archive, "--num_workers=1")
    assert not Path("dataset/train.json").exists()
    before = state(here / "dataset/audio/data_aishell/wav/train")

    again = []

    def counted(name: str, content: Any, folder: Path) -> None:
        again.append(name.split(": ")[1])
        unpack_speaker(name, content, folder)

    monkeypatch.setattr(source, "_unpack_speaker", counted)
    run(archive, "--num_workers=1")
    assert begun[:2] + again == [f"{speaker}.tar.gz" for speaker in SPEAKERS]
    assert state(here / "dataset/audio/data_aishell/wav/train") == before
    expect_whole_corpus()


def test_files_that_lie_in_the_target_are_not_replaced(here: Path, tmp_path: Path) -> None:
    path = Path("dataset/audio/data_aishell/wav/train/S0002") / f"{utterance_id('S0002', 0)}.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the user's own")
    with pytest.raises(UserError, match=r"has 14 bytes, in .*S0002\.tar\.gz it has 16044"):
        run(write_archive(tmp_path / "a.tgz", corpus_files()))
    assert path.read_bytes() == b"the user's own"


def test_a_manifest_of_other_data_is_not_replaced(here: Path, tmp_path: Path) -> None:
    Path("dataset").mkdir()
    own = b'{"audio": {"path": "a.wav"}, "sentence": "mine"}\n'
    Path("dataset/dev.json").write_bytes(own)
    with pytest.raises(UserError, match=r"dataset/dev.json is there already and holds other data"):
        run(write_archive(tmp_path / "a.tgz", corpus_files()))
    assert Path("dataset/dev.json").read_bytes() == own
    assert os.listdir("dataset") == ["dev.json"]


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("/etc/passwd", {}, "'/etc/passwd', which leads outside"),
        ("../train/S0002/x.wav", {}, "which leads outside"),
        ("train/S0002/../../../x.wav", {}, "which leads outside"),
        ("train\\..\\x.wav", {}, "which leads outside"),
        (
            "train/S0002/x.wav",
            {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0},
            "link",
        ),
        ("train/S0002/x.wav", {"type": tarfile.LNKTYPE, "linkname": "/a", "size": 0}, "link"),
        ("train/S0002/x.wav", {"type": tarfile.FIFOTYPE, "size": 0}, "device"),
    ],
)
@pytest.mark.parametrize("place", ["outer", "inner"])
def test_an_unsafe_archive_is_refused(
    here: Path, tmp_path: Path, name: str, changes: dict[str, Any], expected: str, place: str
) -> None:
    bad = io.BytesIO()
    with tarfile.open(fileobj=bad, mode="w:gz") as tar:
        add(tar, name, b"" if "size" in changes else b"bad", **changes)
    files = corpus_files()
    if place == "inner":
        files["data_aishell/wav/S0002.tar.gz"] = bad.getvalue()
        write_archive(tmp_path / "a.tgz", files)
    else:
        (tmp_path / "a.tgz").write_bytes(bad.getvalue())
    with pytest.raises(UserError) as error:
        run(tmp_path / "a.tgz")
    assert expected in error.value.message
    assert str(tmp_path / "a.tgz") in error.value.message
    # A speaker beside it may have been unpacked; nothing of the bad archive was, nor outside.
    found = list(tmp_path.rglob("*.wav"))
    assert all(path.parent.name in ("S0003", "S0724", "S0764") for path in found)
    assert all(path.is_relative_to(here / "dataset/audio/data_aishell/wav") for path in found)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is no tar archive, is damaged"),
        (b"hello" * 1000, "is no tar archive, is damaged"),
        (packed({"README": b"x"}), "is not AISHELL-1"),
        (packed({"data_aishell/wav/S1.tar.gz": packed({})}), "is not AISHELL-1: no transcript"),
        (packed({"data_aishell/transcript/aishell_transcript_v0.8.txt": b"a b"}), "no archives"),
    ],
)
def test_what_is_not_aishell_is_refused(
    here: Path, tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "a.tgz").write_bytes(content)
    with pytest.raises(UserError) as error:
        run(tmp_path / "a.tgz")
    assert expected in error.value.message
    assert not Path("dataset/train.json").exists()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_an_archive_that_was_cut_off_is_named(here: Path, tmp_path: Path, share: float) -> None:
    archive = write_archive(tmp_path / "a.tgz", corpus_files())
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match="cut off"):
        run(archive)
    assert not Path("dataset/train.json").exists()
    # With the whole archive in its place it goes on.
    archive.write_bytes(whole)
    run(archive)
    expect_whole_corpus()


def test_a_missing_file_and_an_empty_folder_are_refused(here: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no"):
        run(tmp_path / "none.tgz")
    with pytest.raises(UserError, match=r"is not AISHELL-1: no .*transcript"):
        run(here)


@pytest.mark.parametrize(
    ("model", "expected"),
    [("True", "--add_pun=True names no model"), ("none/", "none/ is no folder")],
)
def test_punctuation_without_a_model_is_refused_before_anything_is_done(
    here: Path, tmp_path: Path, model: str, expected: str
) -> None:
    archive = write_archive(tmp_path / "a.tgz", corpus_files())
    with pytest.raises(UserError) as error:
        run(archive, f"--add_pun={model}")
    assert expected in error.value.message
    assert os.listdir(here) == []


def test_without_a_network_one_message_says_what_to_fetch(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing listens on port 9 ("discard") of this machine.
    remote = RemoteFile("http://127.0.0.1:9/data_aishell.tgz", "0" * 32, "AISHELL-1 (15.6 GB)")
    monkeypatch.setattr(source, "ARCHIVE", remote)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(Failure) as error:
        run(None)
    assert "AISHELL-1 (15.6 GB) cannot be downloaded" in error.value.message
    assert "put it at dataset/audio/data_aishell.tgz" in error.value.hint
    assert "--filepath" in error.value.hint


def test_the_command_ends_with_2_and_without_a_traceback(here: Path, repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(repository / "aishell.py"), "--filepath=none.tgz"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no none.tgz")
    assert "Traceback" not in done.stderr


@pytest.mark.requires_shared
def test_real_utterances_survive_the_road(here: Path, tmp_path: Path, shared: Path) -> None:
    known = {}
    files: dict[str, dict[str, bytes]] = {}
    lines = []
    for split in ("train", "dev", "test"):
        manifest = read_manifest(shared / "data" / "zh_aishell_S0150" / f"{split}.jsonl")
        for utterance in list(manifest)[:10]:
            samples, rate = soundfile.read(utterance.audio.path, dtype="int16")
            buffer = io.BytesIO()
            soundfile.write(buffer, samples, rate, format="WAV")
            # One speaker serves as three, for each split of the corpus has its own.
            inner = files.setdefault(f"data_aishell/wav/S0150{split}.tar.gz", {})
            inner[f"{split}/S0150/{utterance.id}.wav"] = buffer.getvalue()
            lines.append(f"{utterance.id} {' '.join(utterance.sentence)}")
            known[utterance.id] = (utterance, samples)
    archives = {name: packed(inner) for name, inner in files.items()}
    text = {"data_aishell/transcript/aishell_transcript_v0.8.txt": "\n".join(lines).encode()}
    run(write_archive(tmp_path / "data_aishell.tgz", text | archives))
    count = 0
    for split in ("train", "dev", "test"):
        for utterance in read_manifest(f"dataset/{split}.json"):
            original, samples = known[utterance.id]
            if not any(letter.isascii() for letter in original.sentence):
                assert utterance.sentence == original.sentence
            assert utterance.duration == pytest.approx(original.duration, abs=0.01)
            np.testing.assert_array_equal(
                soundfile.read(utterance.audio.path, dtype="int16")[0], samples
            )
            count += 1
    assert count == 30


def test_the_result_says_what_was_written(here: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tgz", corpus_files())
    prepared = prepare_aishell(archive, tmp_path / "audio", tmp_path / "text")
    assert prepared.utterances == {"train": 6, "dev": 3, "test": 3}
    assert prepared.seconds == {"train": 3.0, "dev": 1.5, "test": 1.5}
    assert prepared.left_out == []


def test_lines_of_a_larger_manifest_are_not_lost(here: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tgz", corpus_files())
    run(archive)
    path = Path("dataset/dev.json")
    more = path.read_bytes() + path.read_bytes().splitlines()[0].replace(b".wav", b"-2.wav") + b"\n"
    path.write_bytes(more)
    with pytest.raises(UserError, match=r"1 of its .* lines would be lost"):
        run(archive)
    assert path.read_bytes() == more
    run(archive, "--overwrite=True")
    assert path.read_bytes() != more
