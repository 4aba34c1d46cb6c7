"""Which of several interpolations with the base is kept."""

from __future__ import annotations

import pytest

from utils.evaluation.alpha_sweep import Point, best_alpha

RATES = [(0.0, 0.40, 0.100), (0.5, 0.10, 0.110), (1.0, 0.08, 0.145)]


def test_rates_of_one_metric_are_averaged():
    assert best_alpha([Point(*rates, "cer", "cer") for rates in RATES]) == 0.5


def test_a_cer_and_a_wer_are_never_averaged():
    """The second set's rates are ten times the first's, which must not decide alone."""
    points = [(0.0, 0.02, 0.50), (1.0, 0.01, 0.52)]
    assert best_alpha([Point(*rates, "cer", "cer") for rates in points]) == 0.0
    assert best_alpha([Point(*rates, "cer", "wer") for rates in points]) == 1.0


@pytest.mark.parametrize("kept_metric", ["cer", "wer"])
def test_of_equals_the_tuned_model_is_kept(kept_metric: str):
    points = [Point(alpha, 0.0, 0.0, "cer", kept_metric) for alpha in (0.0, 0.5, 1.0)]
    assert best_alpha(points) == 1.0
