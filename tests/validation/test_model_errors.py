"""A model is asked about single lines only where it does not contradict most of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from utils.audio.clip import AudioRef
from utils.manifest.utterance import Utterance
from utils.validation.findings import Finding, Line
from utils.validation.model_errors import CONTRADICTED, NO_JUDGE, heard, judged
from utils.validation.records import OF_INSPECTOR

MANIFEST = Path("a.json")


def told(lines: list[tuple[str | None, int]]) -> list[Finding]:
    """What is told of lines of ten words in these languages, so many of them heard otherwise."""

    def findings() -> Iterator[tuple[int, int, Finding]]:
        for number, (language, edits) in enumerate(lines, start=1):
            utterance = Utterance(AudioRef("a.wav"), "x" * 10, f"u{number}", language)
            line = Line(MANIFEST, number, utterance, None)
            yield number, OF_INSPECTOR, heard(line, edits, 10)
            if edits >= 5:
                yield number, OF_INSPECTOR, line.finding("warning", CONTRADICTED, "", 3.0)

    return [found for _, _, found in judged(findings, MANIFEST)]


@pytest.mark.parametrize("wrong", [1, 2])
@pytest.mark.parametrize("lines", [4, 5, 100])
def test_what_contradicts_few_lines_is_listed(wrong: int, lines: int) -> None:
    found = told([("zh", 10)] * wrong + [("zh", 2)] * (lines - wrong))
    assert [(each.kind, each.line) for each in found] == [
        (CONTRADICTED, number + 1) for number in range(wrong)
    ]


def test_a_model_that_contradicts_most_lines_is_told_once_with_its_error_rate() -> None:
    (found,) = told([("zh", 9)] * 37 + [("zh", 1)] * 3)
    assert (found.kind, found.line) == (NO_JUDGE, 0)
    assert found.message.startswith("it contradicts 37 of 40 lines in Chinese (error rate 84%)")


def test_a_language_that_it_does_not_know_says_nothing_of_one_that_it_knows() -> None:
    known = [("en", 1)] * 9 + [("en", 10)]
    found = told([*known, *[("zh", 10)] * 5, *[(None, 0)] * 2])
    assert [(each.kind, each.line) for each in found] == [(NO_JUDGE, 0), (CONTRADICTED, 10)]
    assert "5 of 5 lines in Chinese" in found[0].message
