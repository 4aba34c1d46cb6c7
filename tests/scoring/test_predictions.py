"""Predictions files: one line an utterance, read as they were written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cli.errors import UserError
from utils.scoring.predictions import Prediction, Segment, read_predictions, write_predictions

GOOD = {"id": "a", "reference": "你好", "hypothesis": "你号"}


def lines(path: Path, *values: object) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path: Path):
    predictions = [
        Prediction("a", "你好\n", "", "zh", "failed", 1.5, 0.0, speaker="s", failure="empty file"),
        Prediction("b", "", 'x "y"', None, "ok", 2.0, 0.1, (Segment(0.0, 0.5, "x"),)),
    ]
    write_predictions(tmp_path / "deep" / "p.jsonl", predictions)
    assert read_predictions(tmp_path / "deep" / "p.jsonl") == predictions


@given(reference=st.text(), hypothesis=st.text())
def test_any_text_survives(reference: str, hypothesis: str):
    prediction = Prediction("a", reference, hypothesis)
    line = json.dumps(prediction.to_json(), ensure_ascii=False)
    assert Prediction.from_json(json.loads(line)) == prediction


def test_the_published_fields_stand_in_every_line(tmp_path: Path):
    write_predictions(tmp_path / "p.jsonl", [Prediction("a", "b", "c")])
    value = json.loads((tmp_path / "p.jsonl").read_text(encoding="utf-8"))
    published = {"id", "reference", "hypothesis", "language", "status", "audio_seconds"}
    assert published | {"segments"} <= set(value)


def test_lines_of_other_programs_need_only_three_fields(tmp_path: Path):
    path = lines(tmp_path / "p.jsonl", {**GOOD, "unknown": 1})
    assert read_predictions(path) == [Prediction("a", "你好", "你号")]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ([], "line 2: expected an object"),
        ({"id": "b", "reference": "x"}, "line 2: 'hypothesis' should be text, got None"),
        ({**GOOD, "id": 3}, "line 2: 'id' should be text, got 3"),
        ({**GOOD, "id": "b", "status": "maybe"}, "line 2: status of b is 'maybe'"),
        ({**GOOD, "id": "b", "segments": [{"start": 0}]}, "line 2: a segment needs"),
        (GOOD, "line 2: id 'a' stands in line 1 already"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, value: object, complaint: str):
    with pytest.raises(UserError) as caught:
        read_predictions(lines(tmp_path / "p.jsonl", GOOD, value))
    assert complaint in caught.value.message


def test_two_references_for_one_id_are_told(tmp_path: Path):
    with pytest.raises(UserError, match="'a' stands in line 1 already, with another reference"):
        read_predictions(lines(tmp_path / "p.jsonl", GOOD, {**GOOD, "reference": "再见"}))


def test_references_may_come_from_elsewhere(tmp_path: Path):
    path = lines(tmp_path / "p.jsonl", {"id": "a", "hypothesis": "你号"})
    assert read_predictions(path, need_references=False) == [Prediction("a", "", "你号")]
    with pytest.raises(UserError, match="'reference' should be text, got None"):
        read_predictions(path)


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="no such predictions file"):
        read_predictions(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("language", 3, "'language' should be text, got the number 3"),
        ("speaker", ["a"], "'speaker' should be text, got a list"),
        ("status", {}, "'status' should be text, got an object"),
        ("audio_seconds", "12", "'audio_seconds' should be seconds of 0 or more, got the text"),
        ("audio_seconds", -1, "'audio_seconds' should be seconds of 0 or more"),
        ("audio_seconds", True, "'audio_seconds' should be seconds of 0 or more"),
        ("work_seconds", 10**400, "'work_seconds' should be seconds of 0 or more"),
        ("segments", 5, "'segments' should be a list, got the number 5"),
        ("segments", ["x"], "a segment needs start, end and text"),
        ("segments", [{"start": "0", "end": 1, "text": ""}], "a segment needs start, end and text"),
    ],
)
def test_a_field_of_the_wrong_type_is_named_by_its_line(
    tmp_path: Path, field: str, value: object, complaint: str
):
    path = tmp_path / "p.jsonl"
    line = {"id": "b", "reference": "x", "hypothesis": "x", field: value}
    path.write_text(json.dumps({**line, "id": "a", field: None}) + "\n" + json.dumps(line))
    with pytest.raises(UserError, match="line 2: ") as caught:
        read_predictions(path)
    assert complaint in caught.value.message


def test_every_broken_line_is_named(tmp_path: Path):
    path = tmp_path / "p.jsonl"
    good = [json.dumps({"id": str(n), "reference": "", "hypothesis": ""}) for n in range(9)]
    path.write_text("\n".join(["{", *good, "[]", "5", '{"id": 1}', "[" * 100_000, "x", "y"]))
    with pytest.raises(UserError) as caught:
        read_predictions(path)
    named = [f"line {n}: " in caught.value.message for n in (1, 11, 12, 13, 14, 15)]
    assert named == [True] * 5 + [False]
    assert "nested too deeply" in caught.value.message
    assert caught.value.message.endswith("; and 2 more")
