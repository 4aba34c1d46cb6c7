"""What people wrote steers neither a terminal nor Markdown nor a runner."""

from __future__ import annotations

import pytest

from utils.report.github import _command
from utils.report.markdown import utterance_block
from utils.report.tables import code_span, markdown_table, markdown_text
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions

STEERING = "\x1b\x07\u202e\x9b\r"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("plain", "`plain`"),
        ("a`b", "``a`b``"),
        ("``", "``` `` ```"),
        ("a\n\n# title", "`a # title`"),
        ("", "` `"),
    ],
)
def test_a_text_cannot_leave_its_code_span(text: str, span: str):
    assert code_span(text) == span


def _table(text: str) -> str:
    return markdown_table([text], [[text]])


@pytest.mark.parametrize("written", [code_span, markdown_text, _table])
def test_what_steers_a_terminal_is_spelled_out(written):
    assert not set(STEERING) & set(written(f"a{STEERING}b"))


def test_an_annotation_holds_no_control_characters():
    line = _command("warning", f"a{STEERING}\nb", f"c{STEERING}\nd")
    assert not set(STEERING) & set(line) and "\n" not in line


def test_an_id_with_markdown_stays_an_id():
    name = "x`** <b>\n# no"
    score = score_predictions([Prediction(name, "a b", "a")], "wer", "none")
    head = utterance_block(score.utterance(0), "wer").splitlines()[0]
    assert head.startswith("**``x`** <b> # no``** 1 error")
