"""Data sets named in place of manifests, and the lists of older scripts."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

import check_data
import custom
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.sources.direct import is_direct, manifest_of


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate("ab"):
        sound = np.random.default_rng(seed).uniform(-0.1, 0.1, 16000)
        soundfile.write(tmp_path / f"{name}.wav", sound, 16000)


def rows(*names: str) -> object:
    datasets = pytest.importorskip("datasets")
    audio = [{"bytes": Path(f"{name}.wav").read_bytes(), "path": f"{name}.wav"} for name in names]
    return datasets.Dataset.from_dict({"audio": audio, "text": [f"text {n}" for n in names]})


def texts(name: str, part: str = "train") -> list[str]:
    return [each.sentence for each in read_manifest(manifest_of(name, part))]


def test_a_parquet_file_is_read_where_a_manifest_is_named() -> None:
    rows("a", "b").to_parquet("clips.parquet")  # type: ignore[attr-defined]
    assert texts("clips.parquet") == ["text a", "text b"]
    assert check_data.main(["--data=clips.parquet"]) == 1  # noise: text without voice


def test_a_saved_data_set_gives_the_split_that_is_wanted() -> None:
    datasets = pytest.importorskip("datasets")
    datasets.DatasetDict({"train": rows("a"), "test": rows("b")}).save_to_disk("both")
    rows("a").save_to_disk("one")  # type: ignore[attr-defined]
    assert (texts("both"), texts("both", "test")) == (["text a"], ["text b"])
    assert texts("one", "test") == ["text a"]


def test_an_audiofolder_is_read_through_the_hubs_name() -> None:
    folder = Path("clips")
    folder.mkdir()
    Path("a.wav").rename(folder / "a.wav")
    (folder / "metadata.csv").write_text("file_name,transcription\na.wav,hello\n")
    assert texts(f"hf:{folder.resolve()}:train") == ["hello"]


def test_changed_data_is_read_again() -> None:
    rows("a").to_parquet("clips.parquet")  # type: ignore[attr-defined]
    assert texts("clips.parquet") == ["text a"]
    rows("a", "b").to_parquet("clips.parquet")  # type: ignore[attr-defined]
    assert texts("clips.parquet") == ["text a", "text b"]


def test_a_data_set_without_a_split_is_refused() -> None:
    with pytest.raises(UserError) as error:
        manifest_of("hf:google/fleurs")
    assert "hf:name:split" in error.value.hint


def test_manifests_stay_what_they_are() -> None:
    Path("m.json").write_text("{}")
    assert not is_direct("m.json")
    assert manifest_of("m.json") == Path("m.json")
    assert not is_direct(".")


def old_list(*lines: dict[str, object]) -> None:
    """Write train.header and train.data as the older scripts did."""
    header, data = b"", b""
    for number, line in enumerate(lines):
        key, content = str(number).encode(), json.dumps(line).encode()
        data += struct.pack("I", len(key)) + key + struct.pack("I", len(content))
        header += b"%s\t%d\t%d\n" % (key, len(data), len(content))
        data += content
    Path("train.header").write_bytes(header)
    Path("train.data").write_bytes(data)


def test_binary_lists_of_older_scripts_are_read() -> None:
    timed = [{"start": 0, "end": 1, "text": "two"}]
    old_list(
        {"audio": {"path": "a.wav"}, "sentence": "one", "duration": 1.0},
        {"audio": {"path": "b.wav"}, "sentences": timed, "duration": 1.0},
    )
    custom.main(["manifest", "--path=train.header", "--output_dir=out"])
    assert [each.sentence for each in read_manifest("out/train.json")] == ["one", "two"]
    assert texts("train.header") == ["one", "two"]


def test_a_binary_list_that_does_not_fit_its_data_is_named() -> None:
    old_list({"audio": {"path": "a.wav"}, "sentence": "one"})
    Path("train.data").write_bytes(b"short")
    with pytest.raises(UserError, match=r"train.header, line 1"):
        custom.main(["manifest", "--path=train.header", "--output_dir=out"])
