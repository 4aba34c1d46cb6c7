"""Corrections that the report's page exports: applied to the lines they are of, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import custom
from utils.audio.clip import AudioRef, TimedSentence
from utils.cli.errors import UserError, run_script
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.sources.corrections import correct, read_corrections

LINES = [
    Utterance(
        AudioRef(path=f"{id}.wav"),
        "hello word",
        id,
        "en",
        sentences=(TimedSentence(0.0, 1.0, "hello word"),),
        duration=1.0,
    )
    for id in "abc"
]


def corrections(folder: Path, *lines: object) -> str:
    path = folder / "corrections.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join([*texts, ""]), encoding="utf-8")
    return str(path)


def corrected(folder: Path, *lines: object) -> list[Utterance]:
    path = corrections(folder, *lines)
    return correct(LINES, read_corrections(path), path)


def test_text_language_and_leaving_out_are_applied_to_their_lines(tmp_path: Path):
    found = corrected(
        tmp_path,
        {"id": "a", "was": "hello word", "sentence": "hello world", "manifest": "x.jsonl"},
        {"id": "c", "drop": True},
        {"id": "b", "language": "German"},
    )
    assert [(each.id, each.sentence, each.language) for each in found] == [
        ("a", "hello world", "en"),
        ("b", "hello word", "de"),
    ]
    assert found[0].sentences is None, "the times are of the old text"
    assert found[1].sentences == LINES[1].sentences


def test_a_text_may_hold_any_separator_of_unicode(tmp_path: Path):
    text = "one\u2028two\x85three"
    line = json.dumps({"id": "a", "sentence": text}, ensure_ascii=False)
    assert corrected(tmp_path, line)[0].sentence == text


def test_a_line_corrected_to_silence_is_a_no_speech_example(tmp_path: Path):
    first = corrected(tmp_path, {"id": "a", "sentence": ""})[0]
    assert first.is_no_speech and first.sentences == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"id": "z", "drop": True}, "corrects z: the manifest has no such line"),
        ({"id": "a", "was": "other", "sentence": "x"}, "whose text has been changed since"),
        ({"sentence": "x"}, "line 1: 'id' is missing"),
        ({"id": "a", "sentence": 3}, "line 1: 'sentence' should be text, got 3"),
        ({"id": "a", "drop": "yes"}, "line 1: 'drop' should be true or false"),
        ({"id": "a", "language": "xx"}, "line 1: .*xx"),
        ({"id": "a", "text": "x"}, "line 1: unknown field 'text'"),
        ("[" * 100_000, "line 1: "),
        ("{", "line 1: "),
        ("[]", "line 1: expected an object, got list"),
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(tmp_path: Path, line: object, message: str):
    with pytest.raises(UserError, match=message):
        corrected(tmp_path, line)


def test_a_line_corrected_twice_and_an_id_of_two_lines_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="a is corrected twice"):
        corrected(tmp_path, {"id": "a", "drop": True}, {"id": "a", "sentence": "x"})
    path = corrections(tmp_path, {"id": "a", "drop": True})
    with pytest.raises(UserError, match="corrects a, which stands in 2 lines"):
        correct([*LINES, LINES[0]], read_corrections(path), path)


def test_custom_writes_the_corrected_manifest(tmp_path: Path, repository: Path):
    manifest = repository / "demo" / "zh" / "dev.jsonl"
    first, second, *others = read_manifest(manifest)
    path = corrections(
        tmp_path,
        {"id": first.id, "was": first.sentence, "sentence": "你好"},
        {"id": second.id, "drop": True},
    )
    arguments = [f"--path={manifest}", f"--corrections={path}", "--name=dev"]
    arguments += [f"--output_dir={tmp_path / 'out'}"]
    assert run_script(lambda _: custom.main(["manifest", *arguments])) == 0
    written = list(read_manifest(tmp_path / "out" / "dev.json"))
    assert [each.id for each in written] == [first.id, *(each.id for each in others)]
    assert written[0].sentence == "你好"
