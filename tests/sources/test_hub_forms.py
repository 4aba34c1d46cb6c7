"""Data sets on disk in each form that datasets writes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import custom
from utils.manifest.read import read_manifest

datasets = pytest.importorskip("datasets")


def rows(*texts: str) -> Any:
    file = io.BytesIO()
    soundfile.write(file, np.full(16000, 0.1), 16000, format="FLAC")
    audio = [{"bytes": file.getvalue(), "path": f"{text}.flac"} for text in texts]
    return datasets.Dataset.from_dict({"audio": audio, "Raw Transcription": list(texts)})


def texts(part: str) -> list[str]:
    return [each.sentence for each in read_manifest(f"out/{part}.json")]


@pytest.mark.parametrize("form", ["saved", "parquet"])
def test_one_data_set_by_its_folder_or_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if form == "saved":
        rows("one", "two").save_to_disk("set")
    else:
        rows("one", "two").to_parquet("set.parquet")
    path = "set" if form == "saved" else "set.parquet"
    custom.main(["hub", f"--path={path}", "--output_dir=out", "--audio_dir=audio"])
    assert texts("train") == ["one", "two"]


def test_all_splits_of_a_saved_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    splits = {"train": rows("one", "two"), "validation": rows("three"), "test": rows("four")}
    datasets.DatasetDict(splits).save_to_disk("set")
    argv = ["hub", "--path=set", "--output_dir=out", "--audio_dir=audio"]
    custom.main([*argv, "--part=all"])
    assert [texts(part) for part in ("train", "dev", "test")] == [
        ["one", "two"],
        ["three"],
        ["four"],
    ]
    custom.main([*argv, "--part=validation", "--name=extra"])
    assert texts("extra") == ["three"]
