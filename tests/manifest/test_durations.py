"""A duration that no manifest states is measured once, until the file changes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError
from utils.audio.duration_cache import cache_file
from utils.manifest import durations
from utils.manifest.durations import known_durations
from utils.manifest.utterance import Utterance


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths whose headers are read, as they are."""
    paths: list[str] = []
    measure = durations.header_duration

    def counted(audio: AudioRef) -> float:
        paths.append(audio.path)
        return measure(audio)

    monkeypatch.setattr(durations, "header_duration", counted)
    return paths


def clip(path: Path, seconds: float) -> Utterance:
    soundfile.write(path, np.zeros(int(seconds * 16_000), dtype=np.float32), 16_000)
    return Utterance(id=path.stem, audio=AudioRef(str(path)), sentence="x")


def test_the_second_run_measures_nothing(tmp_path: Path, cache: Path, measured: list[str]) -> None:
    utterances = [clip(tmp_path / f"{n}.wav", n) for n in (1, 2, 3)]
    assert known_durations(utterances) == [1.0, 2.0, 3.0]
    assert len(measured) == 3
    assert known_durations(utterances) == [1.0, 2.0, 3.0]
    assert len(measured) == 3
    assert cache_file().is_relative_to(cache)


def test_only_what_is_new_is_measured(tmp_path: Path, cache: Path, measured: list[str]) -> None:
    first = clip(tmp_path / "1.wav", 1)
    known_durations([first])
    second = clip(tmp_path / "2.wav", 2)
    assert known_durations([second, first]) == [2.0, 1.0]
    assert [Path(path).name for path in measured] == ["1.wav", "2.wav"]


def test_a_changed_file_is_measured_again(tmp_path: Path, cache: Path, measured: list[str]) -> None:
    known_durations([clip(tmp_path / "1.wav", 1)])
    changed = clip(tmp_path / "1.wav", 2)
    os.utime(tmp_path / "1.wav", (1, 1))
    assert known_durations([changed]) == [2.0]
    assert len(measured) == 2


def test_pieces_of_a_file_are_remembered_each(
    tmp_path: Path, cache: Path, measured: list[str]
) -> None:
    whole = clip(tmp_path / "1.wav", 5)
    rest = Utterance(id="rest", audio=AudioRef(whole.audio.path, start_time=2.0), sentence="x")
    for _ in range(2):
        assert known_durations([whole, rest]) == [5.0, 3.0]
    assert len(measured) == 2


def test_a_file_that_cannot_be_read_is_looked_at_again(
    tmp_path: Path, cache: Path, measured: list[str]
) -> None:
    missing = Utterance(id="a", audio=AudioRef(str(tmp_path / "a.wav")), sentence="x")
    assert known_durations([missing]) == [None]
    assert known_durations([clip(tmp_path / "a.wav", 1)]) == [1.0]


@pytest.mark.parametrize("harm", ["damaged", "folder", "not writable"])
def test_without_a_usable_cache_everything_is_measured(
    tmp_path: Path, cache: Path, harm: str
) -> None:
    if harm == "not writable":
        cache.write_text("a file where the folder should be")
    elif harm == "folder":
        cache_file().mkdir(parents=True)
    else:
        cache_file().parent.mkdir(parents=True)
        cache_file().write_bytes(b"no database" * 100)
    utterances = [clip(tmp_path / "1.wav", 1)]
    assert known_durations(utterances) == [1.0]
    assert known_durations(utterances) == [1.0]


def test_who_is_killed_goes_on_there(
    tmp_path: Path, cache: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds = [clip(tmp_path / f"{n}.wav", n).audio for n in range(1, 8)]
    monkeypatch.setattr(durations, "BLOCK", 2)
    measure = durations.header_duration

    def killed_at_the_sixth(audio: AudioRef) -> float:
        if audio is sounds[5]:
            raise KeyboardInterrupt
        return measure(audio)

    with monkeypatch.context() as patch:
        patch.setattr(durations, "header_duration", killed_at_the_sixth)
        with pytest.raises(KeyboardInterrupt):
            durations.measured_durations(sounds)
    before = len(measured)
    assert durations.measured_durations(sounds) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert {Path(path).name for path in measured[before:]} == {"5.wav", "6.wav", "7.wav"}
    missing = AudioRef(str(tmp_path / "missing.wav"))
    found = durations.measured_durations([sounds[0], missing, sounds[1]])
    assert (found[0], found[2]) == (1.0, 2.0) and isinstance(found[1], AudioError)
