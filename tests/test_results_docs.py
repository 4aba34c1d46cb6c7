"""The figures in docs/ are those that were measured, as the measuring scripts print them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = Path("benchmarks/results")


def printed_table(script: str, measured: str) -> list[str]:
    """Lines of the tables that a script prints from a file of measurements."""
    flags = ["--table=True", f"--output={RESULTS / measured}.json"]
    done = subprocess.run(
        [sys.executable, f"benchmarks/{script}.py", *flags],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("|")]


@pytest.mark.parametrize(
    ("page", "script", "measured"),
    [
        ("results.md", "real_speech", "real_speech"),
        ("training.md", "defaults", "defaults"),
        ("speed.md", "train_speed", "train_speed"),
        ("speed.md", "context_table", "context_demo"),
        ("speed.md", "thinned_silence", "thinned_silence"),
        ("speed.md", "thinned_silence", "thinned_silence_en"),
        ("conversion.md", "conversion", "conversion"),
        ("evaluation.md", "engines", "engines"),
        ("inference.md", "inference", "inference"),
        ("evaluation.md", "coverage", "coverage"),
        ("validation.md", "data_scale", "data_scale"),
        ("validation.md", "contradictions", "contradictions"),
    ],
)
def test_every_measured_table_stands_on_its_page(page: str, script: str, measured: str) -> None:
    lines = (REPOSITORY / "docs" / page).read_text(encoding="utf-8").splitlines()
    table = printed_table(script, measured)
    assert len(table) >= 3
    assert [line for line in table if line not in lines] == []


def test_a_table_of_nothing_measured_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/train_speed.py", "--table=True"]
    done = subprocess.run(
        [*command, f"--output={tmp_path}/none.json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "none.json: no such file" in done.stderr


def real_scores() -> list[Any]:
    found = json.loads((REPOSITORY / RESULTS / "real_speech.json").read_text(encoding="utf-8"))
    return [
        pytest.param(score, id=f"{name}-{decoding}-{when}")
        for name, measured in found["sets"].items()
        for decoding, scores in measured["scores"].items()
        for when, score in scores.items()
    ]


@pytest.mark.parametrize("score", real_scores())
def test_a_rate_is_its_errors_over_its_reference(score: dict[str, Any]) -> None:
    kinds = ("substitutions", "deletions", "insertions")
    assert sum(score[kind] for kind in kinds) == score["errors"]
    assert score["rate"] == pytest.approx(score["errors"] / score["reference_tokens"])
    assert score["failed"] == 0
