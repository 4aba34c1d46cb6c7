"""The figures in docs/ are those that were measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import thinned_silence
from benchmarks.data_scale import around_table, table
from benchmarks.real.outcome import markdown_lines
from benchmarks.speed import contexts, tables

REPOSITORY = Path(__file__).resolve().parent.parent


def measured(name: str) -> dict[str, Any]:
    """Content of a file in benchmarks/results/."""
    path = REPOSITORY / "benchmarks" / "results" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


PAGE = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
FOUND = measured("real_speech")


@pytest.mark.parametrize(
    ("page", "name", "table"),
    [
        ("speed.md", "train_speed", tables.recipe_table),
        ("speed.md", "train_speed", tables.growth_table),
        ("speed.md", "train_speed_thinned", tables.recipe_table),
        ("speed.md", "context_demo", contexts.markdown_table),
        ("speed.md", "context_real", contexts.markdown_table),
        ("speed.md", "thinned_silence", thinned_silence.table),
        ("evaluation.md", "engines", tables.engine_table),
    ],
)
def test_every_measured_table_stands_on_its_page(
    page: str, name: str, table: Callable[[dict[str, Any]], str]
) -> None:
    lines = (REPOSITORY / "docs" / page).read_text(encoding="utf-8").splitlines()
    assert [line for line in table(measured(name)).splitlines() if line not in lines] == []


def test_every_measured_line_stands_on_the_page():
    lines = PAGE.splitlines()
    assert [line for line in markdown_lines(FOUND) if line not in lines] == []


def test_every_command_stands_on_the_page():
    assert [command for command in FOUND["commands"] if command not in PAGE] == []


@pytest.mark.parametrize("score", FOUND["scores"], ids=lambda s: f"{s['set']}-{s['model']}")
def test_a_rate_is_its_errors_over_its_reference(score):
    kinds = ("substitutions", "deletions", "insertions")
    assert sum(score[kind] for kind in kinds) == score["errors"]
    assert score["rate"] == pytest.approx(score["errors"] / score["reference_tokens"])
    assert score["failed"] == 0


def test_the_picture_is_small():
    assert (REPOSITORY / "docs" / "images" / "real_speech.png").stat().st_size < 150_000


def test_the_table_of_scale_is_what_was_measured():
    page = (REPOSITORY / "docs" / "doctor.md").read_text(encoding="utf-8")
    results = REPOSITORY / "benchmarks" / "results" / "data_scale.json"
    measured = table(json.loads(results.read_text(encoding="utf-8"))) if results.is_file() else ""
    before, after = around_table(page)
    assert page == before + measured + after
