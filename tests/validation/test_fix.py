"""What is broken is left out, what was left out is listed, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.validation.check import check_manifests
from utils.validation.fix import write_fixed


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Line 1 sound, 2 without a file, 3 no JSON, 4 clipped, 5 in the earlier set too."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (1, 4, 5):
        samples = rng.uniform(-0.2, 0.2, 16_000) * (20 if number == 4 else 1)
        soundfile.write(folder / f"{number}.wav", np.clip(samples, -1, 1), 16_000)
    lines = [
        json.dumps({"audio": {"path": f"{n}.wav"}, "sentence": f"some {n * 'o'}", "id": f"u{n}"})
        for n in range(1, 6)
    ]
    lines[2] = "{"
    (folder / "test.json").write_text(lines[4])
    (folder / "train.json").write_text("\n".join(lines))
    return folder / "train.json"


def test_errors_are_left_out_and_listed(manifest: Path, tmp_path: Path) -> None:
    diagnosis = check_manifests([manifest.with_name("test.json"), manifest])
    target = tmp_path / "out" / "fixed.json"
    assert write_fixed(diagnosis, manifest, target, ["error"])[:2] == (2, 3)
    kept = read_manifest(target)
    assert [each.id for each in kept] == ["u1", "u4"]
    assert all(Path(each.audio.path).is_file() for each in kept)
    listed = (tmp_path / "out" / "fixed.dropped.jsonl").read_text().splitlines()
    dropped = [json.loads(line) for line in listed]
    assert [(each["line"], each["id"], each["reasons"][0]["kind"]) for each in dropped] == [
        (2, "u2", "missing audio"),
        (3, "", "broken line"),
        (5, "u5", "audio in two sets"),
    ]
    assert dropped[0]["utterance"]["sentence"] == "some oo"


def test_warnings_are_left_out_where_asked(manifest: Path, tmp_path: Path) -> None:
    diagnosis = check_manifests([manifest])
    fixed = write_fixed(diagnosis, manifest, tmp_path / "a.jsonl.gz", ["error", "warning"])
    assert (fixed.kept, fixed.dropped) == (2, 3)
    assert fixed.dropped_file == tmp_path / "a.dropped.jsonl"
    assert [each.id for each in read_manifest(tmp_path / "a.jsonl.gz")] == ["u1", "u5"]


def test_the_manifest_itself_is_never_replaced(manifest: Path) -> None:
    before = manifest.read_bytes()
    diagnosis = check_manifests([manifest])
    with pytest.raises(UserError, match="is the manifest itself"):
        write_fixed(diagnosis, manifest, manifest, ["error"])
    with pytest.raises(UserError, match="no name of a manifest"):
        write_fixed(diagnosis, manifest, manifest.with_suffix(".csv"), ["error"])
    assert manifest.read_bytes() == before
