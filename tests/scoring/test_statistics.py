"""Intervals and comparisons: right, repeatable, and quick."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from utils.scoring.predictions import Prediction
from utils.scoring.score import Score, score_predictions
from utils.scoring.statistics import block_unit, compare, rate_interval


def corpus(
    error_rate: float, *, utterances: int = 200, speakers: int | None = None, seed: int = 0
) -> Score:
    """Utterances of 10 words, each wrong with the given probability."""
    chance = random.Random(seed)
    lines = [
        Prediction(
            str(number),
            " ".join(["a"] * 10),
            " ".join("x" if chance.random() < error_rate else "a" for _ in range(10)),
            speaker=None if speakers is None else f"s{number % speakers}",
        )
        for number in range(utterances)
    ]
    return score_predictions(lines, "wer", "none")


def test_the_same_seed_gives_the_same_interval():
    score = corpus(0.2)
    assert rate_interval(score, seed=3) == rate_interval(score, seed=3)
    assert rate_interval(score, seed=3) != rate_interval(score, seed=4)


def test_the_interval_holds_the_rate_and_has_the_width_of_theory():
    score = corpus(0.2, utterances=1000)
    low, high = rate_interval(score) or (0.0, 0.0)
    assert low < (score.rate or 0.0) < high
    # Normal approximation of a mean of 10,000 independent words.
    assert (high - low) / 2 == pytest.approx(1.96 * (0.2 * 0.8 / 10_000) ** 0.5, rel=0.1)


def test_the_order_of_the_utterances_does_not_matter():
    score = corpus(0.2)
    reversed_score = Score(score.metric, score.normalizer, score.utterances[::-1])
    assert rate_interval(score) == rate_interval(reversed_score)


def test_drawing_pooled_blocks_is_drawing_blocks():
    score = corpus(0.3, utterances=60)
    errors = np.array([u.counts.errors for u in score.utterances])
    drawn = np.random.default_rng(0).integers(0, 60, size=(20_000, 60))
    plain = np.percentile(errors[drawn].sum(axis=1) / 600, [2.5, 97.5])
    assert rate_interval(score) == pytest.approx(plain, abs=0.004)


def test_about_95_in_100_intervals_hold_the_true_rate():
    scores = [corpus(0.2, utterances=60, seed=seed) for seed in range(100)]
    intervals = [rate_interval(score) for score in scores]
    held = sum(low <= 0.2 <= high for low, high in filter(None, intervals))
    assert 88 <= held <= 100


def test_speakers_are_drawn_whole():
    lines = [
        Prediction(f"{speaker}-{i}", "a a", "a a" if speaker < 5 else "x x", speaker=str(speaker))
        for speaker in range(10)
        for i in range(30)
    ]
    by_speaker = score_predictions(lines, "wer", "none")
    alone = [Prediction(p.id, p.reference, p.hypothesis) for p in lines]
    by_utterance = score_predictions(alone, "wer", "none")
    assert block_unit(by_speaker.utterances) == "speaker"
    assert block_unit(by_utterance.utterances) == "utterance"
    widths = [high - low for low, high in map(rate_interval, (by_speaker, by_utterance))]
    assert widths[0] > 4 * widths[1]


@pytest.mark.parametrize(
    "speakers", [["s", "s", "s"], ["s", "t", None], [None, None, None], ["a", "b", "c", "d"]]
)
def test_utterances_are_drawn_where_speakers_are_few_or_unknown(speakers: list[str | None]):
    lines = [Prediction(str(i), "a", "b", speaker=s) for i, s in enumerate(speakers)]
    assert block_unit(score_predictions(lines, "wer", "none").utterances) == "utterance"


@pytest.mark.parametrize(
    "lines",
    [[], [Prediction("a", "b", "c")], [Prediction("a", "", "x"), Prediction("b", "", "")]],
)
def test_too_little_to_draw_from_has_no_interval(lines: list[Prediction]):
    assert rate_interval(score_predictions(lines, "wer", "none")) is None


def test_a_model_against_itself_is_a_tie():
    score = corpus(0.2)
    comparison = compare(score, score)
    assert (comparison.difference, comparison.interval) == (0.0, (0.0, 0.0))
    assert comparison.p_value == 1.0
    assert (comparison.wins, comparison.losses, comparison.ties) == (0, 0, 200)


def test_a_clear_improvement_is_sure():
    better, worse = corpus(0.1, seed=1), corpus(0.4, seed=2)
    comparison = compare(better, worse)
    low, high = comparison.interval or (0.0, 0.0)
    assert low < (comparison.difference or 0.0) < high < 0
    assert comparison.p_value is not None and comparison.p_value < 0.001
    assert comparison.wins > comparison.losses
    assert comparison.wins + comparison.losses + comparison.ties == 200


def test_comparing_the_other_way_round_turns_the_signs():
    one, other = corpus(0.1, seed=1), corpus(0.12, seed=2)
    there, back = compare(one, other), compare(other, one)
    assert there.difference == -(back.difference or 0.0)
    assert there.interval == pytest.approx(
        [-end for end in reversed(back.interval or ())], abs=0.001
    )
    assert (there.wins, there.losses) == (back.losses, back.wins)
    assert there.p_value == pytest.approx(back.p_value, rel=0.2)


def test_chance_alone_is_seldom_sure():
    p_values = [
        compare(
            corpus(0.2, utterances=60, seed=i), corpus(0.2, utterances=60, seed=i + 500)
        ).p_value
        for i in range(60)
    ]
    assert sum(p < 0.05 for p in p_values if p is not None) <= 8


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (corpus(0.1, utterances=199), "200 and 199 utterances are not the same ones"),
        (score_predictions([], "cer", "none"), "cannot compare wer with cer"),
    ],
)
def test_only_the_same_utterances_can_be_compared(other: Score, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        compare(corpus(0.1), other)


def test_references_of_different_length_are_refused():
    one = score_predictions([Prediction("a", "x y", "x")], "wer", "none")
    other = score_predictions([Prediction("a", "x", "x")], "wer", "none")
    with pytest.raises(ValueError, match="a has 2 reference tokens on one side and 1 on the other"):
        compare(one, other)


def test_a_hundred_thousand_utterances_take_seconds():
    score = corpus(0.2, utterances=500)
    many = Score(score.metric, score.normalizer, score.utterances * 200)
    started = time.perf_counter()
    rate_interval(many)
    assert time.perf_counter() - started < 10
