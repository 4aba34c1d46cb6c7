"""The metric modules that `evaluate` loads from their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def load(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    evaluate = pytest.importorskip("evaluate")
    monkeypatch.chdir(repository)

    def load_metric(name: str) -> Any:
        return evaluate.load(f"utils/scoring/evaluate_modules/{name}", cache_dir=str(tmp_path))

    return load_metric


def test_cer_is_the_corpus_rate_of_normalised_text(load: Any):
    result = load("cer").compute(
        predictions=["今天天气", "a"], references=["今天天氣", "a b"], normalizer="chinese"
    )
    assert result["cer"] == pytest.approx(1 / 6)
    assert (result["deletions"], result["normalizer"]) == (1, "chinese@2")


def test_wer_takes_the_text_as_it_is(load: Any):
    result = load("wer").compute(predictions=["a B", "x"], references=["a b", ""])
    assert result["wer"] == 1.0
    assert (result["substitutions"], result["insertions"]) == (1, 1)


def test_mer_counts_han_characters_and_words(load: Any):
    result = load("mer").compute(predictions=["打开 apple"], references=["打开 apples"])
    assert result["mer"] == pytest.approx(1 / 3)
