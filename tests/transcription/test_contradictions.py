"""A model that knows its language finds the transcripts that were swapped, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.manifest.write import write_manifest
from utils.model.load import load_model
from utils.transcription.contradictions import contradictions
from utils.transcription.decoding import Decoding
from utils.validation.check import check_manifests
from utils.validation.findings import Finding, Inspector
from utils.validation.model_errors import CONTRADICTED, HEARD, NO_JUDGE


def absolute(utterance: Utterance) -> Utterance:
    path = str(Path(utterance.audio.path).resolve())
    return replace(utterance, audio=replace(utterance.audio, path=path))


@pytest.fixture(scope="module")
def look(repository: Path) -> Inspector:
    model = load_model(str(repository / "demo" / "base"))
    return contradictions(model, Decoding(language="zh", batch_size=5))


@pytest.fixture(scope="module")
def right(repository: Path) -> list[Utterance]:
    lines = [absolute(each) for each in read_manifest(repository / "demo" / "zh" / "train.jsonl")]
    return lines[:10]


def found_in(lines: list[Utterance], folder: Path, look: Inspector) -> list[Finding]:
    """What a check finds by the model."""
    write_manifest(folder / "some.json", lines)
    found = check_manifests([folder / "some.json"], inspectors=[look]).findings
    assert not any(each.kind == HEARD for each in found)
    return [each for each in found if each.kind in (CONTRADICTED, NO_JUDGE)]


def swapped(lines: list[Utterance], *pairs: tuple[int, int]) -> list[Utterance]:
    texts = [each.sentence for each in lines]
    for one, other in pairs:
        texts[one], texts[other] = texts[other], texts[one]
    return [
        replace(each, sentence=text, sentences=None) if text != each.sentence else each
        for each, text in zip(lines, texts, strict=True)
    ]


def test_swapped_transcripts_are_found_the_worst_first(
    right: list[Utterance], tmp_path: Path, look: Inspector
) -> None:
    found = found_in(swapped(right, (2, 7), (4, 9)), tmp_path, look)
    assert [each.line for each in found] == [3, 5, 8, 10]
    assert {each.kind for each in found} == {"contradicted by the model"}
    assert all(each.weight >= 1.5 for each in found)
    assert found_in(right, tmp_path, look) == []


def test_two_wrong_of_five_lines_are_found(
    right: list[Utterance], tmp_path: Path, look: Inspector
) -> None:
    found = found_in(swapped(right[:5], (0, 3)), tmp_path, look)
    assert [each.line for each in found] == [1, 4]


def test_a_model_that_contradicts_most_lines_is_told_once(
    right: list[Utterance], tmp_path: Path, look: Inspector
) -> None:
    shifted = [
        replace(each, sentence=other.sentence, sentences=None)
        for each, other in zip(right, [*right[1:], right[0]], strict=True)
    ]
    (told,) = found_in(shifted, tmp_path, look)
    assert (told.kind, told.line) == ("the model contradicts most lines", 0)
    assert told.severity == "warning"
    assert told.message.startswith("it contradicts 10 of 10 lines")
    assert "error rate" in told.message
