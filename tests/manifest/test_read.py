"""Manifests are read completely; what cannot be read is named."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.manifest.read import Manifest, filter_by_duration, read_manifest, scan_manifest
from utils.manifest.utterance import Utterance


def line(number: int, **changes: Any) -> str:
    fields = {"audio": {"path": f"/{number}.wav"}, "sentence": f"text {number}", "id": f"u{number}"}
    return json.dumps(fields | changes, ensure_ascii=False)


def manifest_of(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def ids(manifest: Manifest) -> list[str]:
    return [utterance.id for utterance in manifest]


def error_of(path: Path) -> UserError:
    with pytest.raises(UserError) as error:
        read_manifest(path)
    assert str(path) in error.value.message
    return error.value


THREE = "\n".join(line(number) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", THREE.encode()),
        ("a.json", THREE.encode() + b"\n"),
        ("bom.json", b"\xef\xbb\xbf" + THREE.encode()),
        ("crlf.json", THREE.replace("\n", "\r\n").encode() + b"\r\n"),
        ("blank.json", b"\n" + THREE.replace("\n", "\n \t\n\n").encode() + b"\n\n"),
        ("a.jsonl.gz", gzip.compress(THREE.encode(), mtime=0)),
        ("a.json.gz", gzip.compress(b"[" + THREE.replace("\n", ",").encode() + b"]", mtime=0)),
        ("packed but not named so.json", gzip.compress(THREE.encode(), mtime=0)),
        ("array.json", f"[{THREE}]".replace("\n", ",\n").encode()),
        ("array of one line.json", json.dumps(list(map(json.loads, THREE.split("\n")))).encode()),
        ("indented.json", json.dumps(list(map(json.loads, THREE.split("\n"))), indent=2).encode()),
        (
            "array with bom.json",
            b"\xef\xbb\xbf\r\n[" + THREE.replace("\n", ",").encode() + b"]\r\n",
        ),
    ],
)
def test_every_form_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    manifest = read_manifest(manifest_of(tmp_path / name, content))
    assert ids(manifest) == ["u1", "u2", "u3"]
    assert [utterance.sentence for utterance in manifest] == ["text 1", "text 2", "text 3"]
    assert manifest.sha256 == hashlib.sha256(content).hexdigest()
    assert len(manifest) == 3
    assert manifest[2].audio == AudioRef("/3.wav")


def test_blank_lines_are_counted_and_keep_their_numbers(tmp_path: Path) -> None:
    content = f"\n{line(1)}\n\n\n{line(2)}\n"
    manifest = read_manifest(manifest_of(tmp_path / "a.json", content))
    assert manifest.blank_lines == 3
    assert list(manifest.lines) == [2, 5]


def test_line_separators_inside_a_text_split_no_line(tmp_path: Path) -> None:
    text = "one\u2028two\x0b\x0c\x1c\x85three"
    # JSON wants the control characters spelt out, not the other separators.
    spelt = text.replace("\x0b\x0c\x1c", "\\u000b\\u000c\\u001c")
    content = line(1, sentence="TEXT").replace("TEXT", spelt)
    manifest = read_manifest(manifest_of(tmp_path / "a.json", content + "\n" + line(2)))
    assert [utterance.sentence for utterance in manifest] == [text, "text 2"]


def test_a_line_without_an_id_gets_one_from_its_place(tmp_path: Path) -> None:
    content = "\n".join(line(number, id=None) for number in (1, 2))
    assert ids(read_manifest(manifest_of(tmp_path / "dev.jsonl.gz", content))) == [
        "dev-000001",
        "dev-000002",
    ]


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (b"{", "line 2: no valid JSON: Expecting property name"),
        (line(2)[:-1].encode(), "line 2: no valid JSON: Expecting ',' delimiter at column"),
        (b"hello", "line 2: no valid JSON: Expecting value at column 1, near 'hello'"),
        (line(2).encode() * 2, "line 2: no valid JSON: Extra data"),
        (b'{"audio": 1, "sentence": NaN}', "line 2: no valid JSON: NaN is no JSON number"),
        (b"\xc4\xe3\xba\xc3", "line 2: byte 1 of the line is no UTF-8"),
        (b"[" * 100000, "line 2: no valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "line 2: no valid JSON: Exceeds the limit"),
        (line(2).replace("text", "\\ud800").encode(), "'\\ud800' is half of a character"),
        (b"[1]", "line 2: the line is a list; expected a JSON object"),
        (line(2, sentence=None).encode(), 'line 2: "sentence" is missing or null'),
        (line(2, language="Chinees").encode(), "did you mean Chinese (zh)"),
        (line(1).encode(), "line 2: the id 'u1' is that of line 1 too"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, broken: bytes, expected: str) -> None:
    content = line(1).encode() + b"\n" + broken + b"\n" + line(3).encode()
    path = manifest_of(tmp_path / "a.json", content)
    error = error_of(path)
    assert "1 line cannot be used" in error.message
    assert expected in error.message
    assert "check_data.py" in error.hint
    if "the id" not in expected:
        manifest, broken_lines = scan_manifest(path)
        assert ids(manifest) == ["u1", "u3"]
        assert [each.line for each in broken_lines] == [2]


def test_many_broken_lines_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    content = "\n".join(["{"] * 7 + [line(1), line(1)])
    message = error_of(manifest_of(tmp_path / "a.json", content)).message
    assert "8 lines cannot be used" in message
    assert message.count("\n  line ") == 5
    assert "... and 3 more" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"[{line(1)},\n{{]", "line 2: no valid JSON"),
        (f"[{line(1)}\n{line(2)}]", "line 1: no valid JSON: Expecting ',' or ']'"),
        (f"[{line(1)},\n", "line 2: no valid JSON"),
        (f"[\n{line(1)},\n\n3]", "line 4: the line is the number 3"),
        (f"[{line(1)}]\n{line(2)}", "line 1: there is more after the end of the list"),
        ("[", "line 1: no valid JSON"),
    ],
)
def test_a_broken_array_is_named(tmp_path: Path, content: str, expected: str) -> None:
    assert expected in error_of(manifest_of(tmp_path / "a.json", content)).message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "holds no utterance"),
        (b"\n\n", "but 2 blank lines"),
        (b"[]", "holds no utterance"),
        (b"\xef\xbb\xbf", "holds no utterance"),
        ("x".encode("utf-16"), "text in UTF-16"),
        (b"RIFF\0\0\0\0WAVE", "no text file"),
        (gzip.compress(THREE.encode(), mtime=0)[:40], "compressed file is damaged"),
        (b"\x1f\x8b\x08garbage that is no stream", "compressed file is damaged"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in error_of(manifest_of(tmp_path / "a.json", content)).message


def test_a_missing_manifest_is_answered_with_those_that_are_there(tmp_path: Path) -> None:
    manifest_of(tmp_path / "train.json", THREE)
    manifest_of(tmp_path / "dev.jsonl.gz", THREE)
    error = error_of(tmp_path / "tain.json")
    assert "no such manifest" in error.message
    assert "dev.jsonl.gz, train.json" in error.hint
    assert "is a folder" in error_of(tmp_path).message
    assert "there is no folder" in error_of(tmp_path / "none" / "a.json").hint


def test_relative_audio_is_found_beside_the_manifest_or_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data/audio/1.wav", "data/2.wav", "audio/3.wav", "data/audio/4.wav", "4.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")
    paths = ["audio/1.wav", "2.wav", "audio/3.wav", "data/audio/4.wav", "4.wav", "none.wav"]
    content = "\n".join(line(index, audio={"path": path}) for index, path in enumerate(paths))
    manifest_of(Path("data/a.json"), content)
    found = [str(utterance.audio.path) for utterance in read_manifest("data/a.json")]
    assert found == [
        "data/audio/1.wav",
        "data/2.wav",
        "audio/3.wav",
        "data/audio/4.wav",
        "4.wav",
        "none.wav",
    ]
    absolute = read_manifest(tmp_path / "data" / "a.json")
    assert absolute[0].audio.path == str(tmp_path / "data/audio/1.wav")


def utterance(name: str, **changes: Any) -> Utterance:
    return Utterance(**({"audio": AudioRef("/a.wav"), "sentence": "x", "id": name} | changes))


def test_short_and_long_utterances_are_dropped_with_their_reason(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((8000, 3)), 8000)
    whole = AudioRef(str(tmp_path / "a.wav"))
    given_ = [
        utterance("stated", duration=1.0),
        utterance("short", duration=0.4),
        utterance("long", duration=31.0),
        utterance("cut", audio=AudioRef("/a.wav", 5.0, 36.0), duration=1.0),
        utterance("exactly min", duration=0.5),
        utterance("exactly max", duration=30.0),
        utterance("measured", audio=whole),
        utterance("measured piece", audio=AudioRef(whole.path, 0.75)),
        utterance("no speech", duration=0.1, sentence=""),
        utterance("long no speech", duration=40.0, sentence=""),
        utterance("unreadable", audio=AudioRef(str(tmp_path / "none.wav"))),
    ]
    kept, dropped = filter_by_duration(given_, 0.5, 30.0)
    assert [each.id for each in kept] == [
        "stated",
        "exactly min",
        "exactly max",
        "measured",
        "no speech",
        "unreadable",
    ]
    assert {each.id: each.reason for each in dropped} == {
        "short": "0.40 s is shorter than 0.5 s",
        "long": "31.00 s is longer than 30 s",
        "cut": "31.00 s is longer than 30 s",
        "measured piece": "0.25 s is shorter than 0.5 s",
        "long no speech": "40.00 s is longer than 30 s",
    }


@given(st.lists(st.floats(0, 40), max_size=20), st.floats(0, 5), st.floats(5, 40))
def test_nothing_is_lost_by_a_filter(durations: list[float], low: float, high: float) -> None:
    given_ = [utterance(str(index), duration=each) for index, each in enumerate(durations)]
    kept, dropped = filter_by_duration(given_, low, high)
    assert sorted([each.id for each in kept] + [each.id for each in dropped]) == sorted(
        each.id for each in given_
    )
    assert all(low <= (each.duration or 0.0) <= high for each in kept)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_name(content: bytes) -> None:
    # hypothesis asks for no function-scoped fixture.
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        error_of(manifest_of(Path(folder) / "a.json", content))


def test_a_hundred_thousand_lines_are_read_in_seconds(tmp_path: Path) -> None:
    path = manifest_of(tmp_path / "a.json", "\n".join(line(index) for index in range(100_000)))
    begin = time.process_time()
    assert len(read_manifest(path)) == 100_000
    # 1.4 s on a slow core; the bound only catches a change of kind.
    assert time.process_time() - begin < 15


def test_a_table_is_no_manifest_and_its_command_is_named(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,sentence\n")
    with pytest.raises(UserError, match="is a table, not a manifest") as error:
        read_manifest(tmp_path / "clips.csv")
    assert f"python custom.py table --path={tmp_path / 'clips.csv'}" in error.value.hint
