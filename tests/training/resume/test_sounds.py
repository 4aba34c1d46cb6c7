"""A run is that of its sounds: whatever else changes about their files, their content counts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from utils.audio.augmentation.pipeline import Augmenter
from utils.cli.errors import UserError
from utils.data import kept, make_table, sounds
from utils.data.labels import LabelEncoder
from utils.data.make_table import training_table
from utils.manifest.read import read_manifest
from utils.model.load import load_model
from utils.training.data import RunData
from utils.training.resume.identity import write_run_file
from utils.training.resume.sounds import identity_of_sounds, sounds_of, write_sounds_file
from utils.training.resume.start import Start, choose_start
from utils.training.settings.common import TrainSettings

PLACE = 700  # bytes from the end of a file


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> LabelEncoder:
    return load_model(str(tiny_model)).label_encoder(language="zh")


@pytest.fixture(params=["whole", "in places"])
def data_folder(
    speech_manifest: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """A data set with relative paths, of which a run is begun; and noise."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(make_table, "PART_LINES", 4)
    if request.param == "in places":
        monkeypatch.setattr(sounds, "WHOLE_BYTES", 1)
        monkeypatch.setattr(sounds, "BLOCK_BYTES", 1024)
    folder = tmp_path / "data"
    (folder / "audio").mkdir(parents=True)
    (folder / "noise").mkdir()
    lines = []
    for number, line in enumerate(speech_manifest.read_text("utf-8").splitlines()):
        value = json.loads(line)
        source = speech_manifest.parent / value["audio"]["path"]
        shutil.copy(source, folder / "audio" / f"{number}.wav")
        lines.append({**value, "audio": {"path": f"audio/{number}.wav"}})
    shutil.copy(source, folder / "noise" / "hum.wav")
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    (folder / "dev.jsonl").write_text(json.dumps(lines[0]), "utf-8")
    yield folder
    kept._IN_USE.clear()


def begin(folder: Path, run: Path, encoder: LabelEncoder) -> Start:
    """Begin a run or go on with it, as far as its sounds have a say."""
    (folder / "augment.json").write_text(
        json.dumps([{"type": "noise", "params": {"noise_dir": str(folder / "noise")}}])
    )
    manifests = [read_manifest(folder / name) for name in ("train.jsonl", "dev.jsonl")]
    tables = [training_table(each, encoder, 0.1, 30.0) for each in manifests]
    augmenter = Augmenter.from_file(folder / "augment.json")
    found = sounds_of(RunData(*manifests, *tables, augmenter))
    identity = identity_of_sounds(found)
    start = choose_start(run, TrainSettings(), identity, found)
    run.mkdir(exist_ok=True)
    write_sounds_file(run, found)
    write_run_file(run, identity, finished=False)
    return start


def flip(file: Path, place: int = PLACE) -> None:
    """Change a sample, and neither the size nor the time of change."""
    status = file.stat()
    content = bytearray(file.read_bytes())
    content[-place] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def test_touched_and_moved_files_are_the_same_sounds(
    data_folder: Path, tmp_path: Path, encoder: LabelEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert begin(data_folder, run, encoder) == Start()
    os.utime(data_folder / "audio/3.wav", (1, 1))
    os.utime(data_folder / "noise/hum.wav", (1, 1))
    assert begin(data_folder, run, encoder) == Start()
    shutil.move(data_folder, tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert begin(Path("elsewhere"), run, encoder) == Start()


def test_changed_sounds_are_named(data_folder: Path, tmp_path: Path, encoder: LabelEncoder) -> None:
    run = tmp_path / "run"
    begin(data_folder, run, encoder)
    for number in (2, 5):
        flip(data_folder / f"audio/{number}.wav")
    with pytest.raises(UserError) as refused:
        begin(data_folder, run, encoder)
    message = refused.value.message
    assert "train sounds: 2 of 9 files changed:" in message
    assert "audio/2.wav" in message and "audio/5.wav" in message
    assert "dev sounds" not in message and "augmentation sounds" not in message
    flip(data_folder / "audio/2.wav")
    flip(data_folder / "audio/5.wav")
    assert begin(data_folder, run, encoder) == Start()
    flip(data_folder / "noise/hum.wav")
    with pytest.raises(UserError, match=r"augmentation sounds: 1 of 1 files changed: .*hum\.wav"):
        begin(data_folder, run, encoder)
    flip(data_folder / "noise/hum.wav")
    shutil.copy(data_folder / "noise/hum.wav", data_folder / "noise/more.wav")
    with pytest.raises(UserError, match="augmentation sounds: 1 files -> 2 files"):
        begin(data_folder, run, encoder)


def test_a_run_that_was_begun_without_sounds_goes_on(
    data_folder: Path, tmp_path: Path, encoder: LabelEncoder
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write_run_file(run, {}, finished=False)
    assert begin(data_folder, run, encoder) == Start()
