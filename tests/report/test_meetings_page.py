"""Meetings on the page: rates by speakers with their figures, and no utterances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.browser import accessibility_violations, find_programs, open_browser
from utils.evaluation.results import Compared, Evaluated, build_results, write_results
from utils.report.forms import FORMS, make_forms
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score
from utils.scoring.secondary.figure import ratio
from utils.scoring.statistics import compare, rate_interval


def meeting(name: str, errors: int) -> Evaluated:
    """Twelve sessions of twenty words, as meeteval counts them."""
    table = np.array([[errors + i % 3, 1, 0, 20] for i in range(12)], dtype=np.int64)
    lines = tuple(Prediction(f"m{i}", "hello there", f"hello {name}") for i in range(12))
    texts = ("hello there",) * 12
    score = Score(
        "cpwer", "basic@1", lines, texts, (f"hello {name}",) * 12, normal=table, as_written=table
    )
    missed = ratio(score, np.full(12, 1), np.full(12, 4), seed=0)
    return Evaluated(
        name,
        score,
        rate_interval(score),
        "ref.stm",
        test_set="ref",
        model_path=f"{name}.json",
        predictions=f"{name}.json",
        figures={"missed_speakers": missed},
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    old, new = meeting("old", 5), meeting("new", 2)
    compared = Compared(
        "new", "old", "ref.stm", "cpwer", compare(new.score, old.score), test_set="ref"
    )
    write_results(tmp_path / "results.json", build_results([old, new], [compared]))
    return tmp_path / "results.json"


def test_every_form_is_made_of_meetings_alone(results: Path, tmp_path: Path):
    make_forms([results], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FORMS.values())
    for name in ("report.md", "comment.md"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert "CPWER 35.00 → 20.00 %: 15.00 points fewer" in text.replace("&#126;", "~")
    assert "speakers missed" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


@pytest.mark.skipif(find_programs() is None, reason="chromium or chromedriver is not installed")
def test_the_page_shows_rates_and_speakers(results: Path, tmp_path: Path):
    make_forms([results], tmp_path / "out", ("html",))
    with open_browser() as browser:
        browser.get((tmp_path / "out" / "report.html").as_uri())
        browser.wait("document.body.dataset.ready")
        shown = browser.run("return document.getElementById('scores').innerText")
        assert "CPWER 20.00 %" in shown and "speakers missed" in shown and "25.00 %" in shown
        assert browser.run("return document.getElementById('explore').hidden")
        assert browser.log() == []
        assert accessibility_violations(browser) == []
