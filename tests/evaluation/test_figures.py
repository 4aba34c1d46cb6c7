"""Other libraries' opinions: jiwer's totals, and modules of `evaluate`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cli.errors import UserError
from utils.evaluation.modules import compute_modules, load_modules
from utils.evaluation.recount import recount
from utils.evaluation.settings import EvaluationSettings
from utils.scoring.metrics import METRICS
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score, score_predictions

TEXT = st.text(alphabet="ab 你हि.\n", max_size=12)


def score_of(pairs: list[tuple[str, str]], metric: str) -> Score:
    lines = [Prediction(str(i), ref, hyp) for i, (ref, hyp) in enumerate(pairs)]
    return score_predictions(lines, metric, "basic")


@pytest.mark.parametrize("metric", METRICS)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_jiwer_counts_the_same_totals(metric: str, pairs: list[tuple[str, str]]):
    checked = recount(score_of(pairs, metric), "a model")
    assert checked["agrees"] and checked["library"].startswith("jiwer ")


def test_jiwer_disagrees_with_a_wrong_count(capsys: pytest.CaptureFixture[str]):
    score = score_of([("a b", "a")], "wer")
    score.normal[0, 2] += 1
    assert recount(score, "a model")["agrees"] is False
    assert "jiwer counts 1 errors" in capsys.readouterr().err


def test_modules_of_evaluate_by_path_beside_a_rate_of_ours():
    settings = EvaluationSettings(metric="cer@1, utils/scoring/evaluate_modules/wer")
    assert (settings.counted, settings.modules) == ("cer", ("utils/scoring/evaluate_modules/wer",))
    modules = load_modules(settings.modules)
    (found,) = compute_modules(modules, score_of([("a b", "a c")], "wer")).values()
    assert found["wer"] == 0.5


def test_a_module_that_is_not_there_is_answered_with_our_names(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match="is none of ours") as caught:
        load_modules(["./we"])
    assert "cer, wer, mer, cer@2" in str(caught.value.hint)
    with pytest.raises(UserError, match="names 2 error rates"):
        EvaluationSettings(metric="cer,wer")
