"""Whatever bytes a manifest holds, every line is read or named; unusual sound is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.hostility import fuzz
from utils.cli.errors import UserError
from utils.manifest import json_lines
from utils.manifest.read import scan_manifest
from utils.validation.check import check_manifests

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["audio", "sentence", "language", "sentences", "duration", "id", "task"])
LINES = st.dictionaries(FIELDS, VALUES, max_size=5) | st.fixed_dictionaries(
    {"audio": st.fixed_dictionaries({"path": st.text(min_size=1)}), "sentence": st.text()}
)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "hostile.json"
    path.write_bytes(content)
    return path


@fuzz
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_manifest_or_an_error(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("bytes"), content)
    try:
        manifest, broken = scan_manifest(path)
    except UserError:  # no text, damaged compression
        return
    assert len(manifest) + len(broken) + manifest.blank_lines <= content.count(b"\n") + 1


@fuzz
@given(values=st.lists(LINES, min_size=1, max_size=5), ending=st.sampled_from(["\n", "\r\n"]))
def test_no_line_is_lost(
    values: list[Any], ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = "\ufeff" + ending.join(map(json.dumps, values))
    path = written(tmp_path_factory.mktemp("lines"), content.encode())
    manifest, broken = scan_manifest(path)
    numbers = sorted([*manifest.lines, *(each.line for each in broken)])
    assert numbers == list(range(1, len(values) + 1))
    assert all(each.message for each in broken)


def test_a_line_of_a_million_characters_is_one_line(tmp_path: Path) -> None:
    line = {"audio": {"path": "a.wav"}, "sentence": "很" * 10**6}
    path = written(tmp_path, (json.dumps(line) + "\n" + "[" * 10**6).encode())
    manifest, broken = scan_manifest(path)
    assert (len(manifest), [each.line for each in broken]) == (1, [2])


@pytest.mark.parametrize("name", ["a b.wav", "quo'te\".wav", "new\nline.wav", "今天.wav", "-.wav"])
def test_names_of_every_kind_are_heard(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, np.random.default_rng(0).uniform(-0.2, 0.2, 8000), 16_000)
    line = {"audio": {"path": name}, "sentence": "a word"}
    assert check_manifests([written(tmp_path, json.dumps(line).encode())]).findings == []


@pytest.mark.parametrize(
    ("channels", "rate", "kinds"),
    [(8, 16_000, ["several channels"]), (1, 192_000, []), (1, 8000, ["low sampling rate"])],
)
def test_unusual_sound_is_measured(
    tmp_path: Path, channels: int, rate: int, kinds: list[str]
) -> None:
    samples = np.random.default_rng(0).uniform(-0.2, 0.2, (rate // 2, channels))
    soundfile.write(tmp_path / "a.wav", samples, rate)
    line = {"audio": {"path": "a.wav"}, "sentence": "a word"}
    diagnosis = check_manifests([written(tmp_path, json.dumps(line).encode())])
    assert [each.kind for each in diagnosis.findings] == kinds
    assert diagnosis.summaries[0].seconds == pytest.approx(0.5)


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_text_that_is_not_utf_8_is_refused_by_name(tmp_path: Path, encoding: str) -> None:
    line = json.dumps({"audio": {"path": "a.wav"}, "sentence": "a word"})
    path = written(tmp_path, line.encode(encoding))
    with pytest.raises(UserError, match=r"is text in UTF-16|is no text file"):
        scan_manifest(path)


def test_a_line_too_long_for_memory_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "MOST_BYTES_A_LINE", 100)
    line = json.dumps({"audio": {"path": "a.wav"}, "sentence": "a word"})
    for long in ("x" * 1000, "x" * 100 + "\n" + "x" * 101, " " * 101 + line):
        path = written(tmp_path, f"{line}\n{long}\n{line}".encode())
        manifest, broken = scan_manifest(path)
        named = {each.line for each in broken}
        assert named | set(manifest.lines) == set(range(1, 4 + long.count("\n")))
        assert 2 in named and manifest.lines[0] == 1 and len(manifest) == 2
        assert "longer than" in {each.line: each.message for each in broken}[max(named)]
