"""Intervals and comparisons: right, repeatable, and quick."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import chdtri

from utils.scoring.blocks import block_unit, doubt, pool
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score, score_predictions
from utils.scoring.statistics import _resample, _sums, compare, holm, rate_interval


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
    draws = [_resample(_sums([score]), seed).interval for seed in (3, 4)]
    rates = [_resample(_sums([score]), seed).rates for seed in (3, 4)]
    assert draws[0](rates[0][:, 0]) != draws[1](rates[1][:, 0])


def test_the_interval_holds_the_rate_and_has_the_width_of_theory():
    score = corpus(0.2, utterances=1000)
    low, high = rate_interval(score) or (0.0, 0.0)
    assert low < (score.rate or 0.0) < high
    # Normal approximation of a mean of 10,000 independent words.
    assert (high - low) / 2 == pytest.approx(1.96 * (0.2 * 0.8 / 10_000) ** 0.5, rel=0.1)


def test_the_order_of_the_utterances_does_not_matter():
    score = corpus(0.2)
    reversed_score = score_predictions(score.predictions[::-1], "wer", "none")
    assert rate_interval(score) == rate_interval(reversed_score)


def test_drawing_pooled_blocks_is_drawing_blocks():
    score = corpus(0.3, utterances=60)
    errors = score.errors
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
    assert block_unit(by_speaker) == "speaker"
    assert block_unit(by_utterance) == "utterance"
    widths = [high - low for low, high in map(rate_interval, (by_speaker, by_utterance))]
    assert widths[0] > 4 * widths[1]


@pytest.mark.parametrize(
    "speakers", [["s", "s", "s"], ["s", "t", None], [None, None, None], ["a", "b", "c", "d"]]
)
def test_utterances_are_drawn_where_speakers_are_few_or_unknown(speakers: list[str | None]):
    lines = [Prediction(str(i), "a", "b", speaker=s) for i, s in enumerate(speakers)]
    assert block_unit(score_predictions(lines, "wer", "none")) == "utterance"


@pytest.mark.parametrize(
    "lines",
    [[], [Prediction("a", "b", "c")], [Prediction("a", "", "x"), Prediction("b", "", "")]],
)
def test_too_little_to_draw_from_has_no_interval(lines: list[Prediction]):
    assert rate_interval(score_predictions(lines, "wer", "none")) is None


def test_a_model_against_itself_is_identical_and_not_proven_equal_elsewhere():
    score = corpus(0.2)
    comparison = compare(score, score)
    low, high = comparison.interval or (0.0, 0.0)
    # The rule of three: of 200 blocks that agree, 3.7 more could have differed.
    assert (low, high) == pytest.approx((-3.7 / 200, 3.7 / 200), rel=0.02)
    assert (comparison.difference, comparison.p_value, comparison.identical) == (0.0, 1.0, True)
    assert (comparison.wins, comparison.losses, comparison.ties) == (0, 0, 200)


def test_as_many_errors_are_not_the_same_text():
    one, other = (
        score_predictions([Prediction(str(i), "a b", text) for i in range(9)], "wer", "none")
        for text in ("a x", "x b")
    )
    assert not compare(one, other).identical


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


def blocks_of(rates: Sequence[float], utterances: int, chance: random.Random) -> list[Prediction]:
    """Speakers with a rate each, and utterances of 10 words."""
    return [
        Prediction(
            f"{speaker}-{number}",
            " ".join(["a"] * 10),
            " ".join("x" if chance.random() < rate else "a" for _ in range(10)),
            speaker=str(speaker),
        )
        for speaker, rate in enumerate(rates)
        for number in range(utterances)
    ]


@pytest.mark.parametrize("speakers", [6, 20])
def test_the_interval_over_speakers_holds_the_true_rate_95_times_in_100(speakers: int):
    chance = random.Random(0)
    held = 0
    for _ in range(200):
        rates = [min(max(chance.gauss(0.2, 0.06), 0.0), 1.0) for _ in range(speakers)]
        score = score_predictions(blocks_of(rates, 8, chance), "wer", "none")
        low, high = rate_interval(score) or (0.0, 0.0)
        held += low <= 0.2 <= high
    # Binomial(200, 0.95): 182 to 198 in 99 of 100 such tests.
    assert 181 <= held <= 199


def null_p_values(count: int) -> list[float]:
    """P values of two systems that are equally good, speaker by speaker."""
    chance = random.Random(1)
    found = []
    for _ in range(count):
        rates = [chance.uniform(0.1, 0.3) for _ in range(12)]
        one, other = (
            score_predictions(blocks_of(rates, 6, chance), "wer", "none") for _ in range(2)
        )
        found.append(compare(one, other).p_value or 0.0)
    return found


@pytest.mark.parametrize("level", [0.05, 0.2, 0.5])
def test_p_values_are_no_smaller_than_chance_where_there_is_no_difference(level: float):
    found = np.array(null_p_values(200))
    # Three standard errors above; and not so large that nothing would ever be found.
    assert (found <= level).mean() < level + 3 * (level * (1 - level) / 200) ** 0.5
    assert (found <= level).mean() > level / 4


def lines_with(errors: Sequence[int], words: int = 10) -> Score:
    """Utterances of as many words, with so many errors each."""
    return score_predictions(
        [
            Prediction(str(n), " ".join("a" * words), " ".join("x" * bad + "a" * (words - bad)))
            for n, bad in enumerate(errors)
        ],
        "wer",
        "none",
    )


@pytest.mark.parametrize("utterances", [20, 60, 200])
def test_an_interval_without_errors_has_the_width_of_the_rule_of_three(utterances: int):
    low, high = rate_interval(lines_with([0] * utterances)) or (0.0, 0.0)
    assert low == 0
    assert high >= 3 / utterances
    if utterances == 200:
        assert high == pytest.approx(-np.log(0.025) / utterances, rel=0.05)


@pytest.mark.parametrize("errors", [[10] * 30, [4] * 30, [4] * 3, [10, 10]])
def test_an_interval_has_a_width_where_all_blocks_agree(errors: list[int]):
    low, high = rate_interval(lines_with(errors)) or (0.0, 0.0)
    rate = sum(errors) / 10 / len(errors)
    assert low < rate <= high


def test_a_sentence_error_rate_stays_a_share():
    wrong, right = lines_with([1] * 30).sentences, lines_with([0] * 30).sentences
    low, high = rate_interval(wrong) or (0.0, 0.0)
    assert high == 1 and 0.8 < low < 0.95
    assert (rate_interval(right) or (1.0, 1.0))[0] == 0
    low, high = compare(right, wrong).interval or (0.0, 0.0)
    assert low == -1 and -0.95 < high < -0.8


def test_a_difference_on_two_utterances_is_not_sure():
    found = compare(lines_with([0, 0]).sentences, lines_with([1, 1]).sentences)
    low, high = found.interval or (-1.0, -1.0)
    assert low <= 0 <= high
    assert found.p_value is not None and found.p_value > 0.05


@pytest.mark.parametrize(("changed", "sure"), [(1, False), (3, False), (8, True)])
def test_few_changes_to_one_side_are_sure_as_in_a_sign_test(changed: int, sure: bool):
    better = lines_with([0] * 60)
    worse = lines_with([1] * changed + [0] * (60 - changed))
    found = compare(better, worse)
    _, high = found.interval or (0.0, 0.0)
    assert (high < 0) == sure == ((found.p_value or 1.0) < 0.05)


@pytest.mark.parametrize("errors", [1, 2, 5])
def test_a_rare_error_leaves_room_for_more(errors: int):
    score = lines_with([1] * errors + [0] * (200 - errors))
    low, high = rate_interval(score) or (0.0, 0.0)
    # Clopper and Pearson's interval of independent words is the least that can be meant.
    exact = float(chdtri(2 * errors + 2, 0.025)) / 2 / 2000
    assert low <= errors / 2000 and high >= 0.95 * exact


def test_p_and_interval_never_disagree():
    chance = random.Random(0)
    for _ in range(150):
        count, change = chance.randint(2, 40), chance.random()
        first = [chance.randint(0, 3) for _ in range(count)]
        second = [max(0, e - (chance.random() < change) * chance.randint(0, 3)) for e in first]
        found = compare(lines_with(second), lines_with(first))
        low, high = found.interval or (0.0, 0.0)
        assert ((found.p_value or 0.0) < 0.05) == (not low <= 0 <= high), (first, second)


def test_two_blocks_leave_nearly_everything_open():
    score = score_predictions(
        [Prediction("a", "x x x x", "x x x y"), Prediction("b", "x x", "y y")], "wer", "none"
    )
    low, high = rate_interval(score) or (0.0, 0.0)
    assert low < 0.25 and high == 1.0


@pytest.mark.parametrize(
    ("speakers", "unit", "complaint"),
    [
        (1, "auto", "1 speaker does not represent others"),
        (4, "auto", "4 speakers do not represent others"),
        (5, "auto", ""),
        (1, "utterance", ""),
        (0, "auto", ""),
    ],
)
def test_a_handful_of_speakers_says_nothing_of_others(speakers: int, unit: str, complaint: str):
    score = replace(corpus(0.1, utterances=40, speakers=speakers or None), blocks=unit)
    assert doubt(score).startswith(complaint) and bool(doubt(score)) == bool(complaint)


def test_blocks_can_be_asked_for():
    score = corpus(0.1, utterances=40, speakers=8)
    assert block_unit(score) == "speaker"
    assert block_unit(replace(score, blocks="utterance")) == "utterance"
    assert block_unit(replace(score, blocks="utterance").sentences) == "utterance"


def test_drawing_is_drawing_from_every_possible_resample():
    lines = [Prediction(str(n), "x " * (n + 2), "y " * n) for n in range(3)]
    score = score_predictions(lines, "wer", "none")
    exact = [
        score.errors[list(drawn)].sum() / score.tokens[list(drawn)].sum()
        for drawn in itertools.product(range(3), repeat=3)
    ]
    draws = _resample(_sums([score]), seed=0)
    values, counts = np.unique(draws.rates[:, 0].round(9), return_counts=True)
    expected, copies = np.unique(np.round(exact, 9), return_counts=True)
    assert values == pytest.approx(expected)
    assert counts / counts.sum() == pytest.approx(copies / 27, abs=0.015)


def test_the_interval_leaves_out_zero_just_where_p_is_below_5_percent():
    for seed in range(30):
        one, other = corpus(0.2, seed=seed), corpus(0.235, seed=seed + 100)
        found = compare(one, other)
        low, high = found.interval or (0.0, 0.0)
        assert found.p_value is not None
        if abs(found.p_value - 0.05) > 0.004:
            assert (found.p_value < 0.05) == (not low <= 0 <= high)


def test_the_smallest_difference_is_found_four_times_in_five():
    one, other = corpus(0.2, utterances=120, seed=1), corpus(0.2, utterances=120, seed=2)
    smallest = compare(one, other).smallest_difference or 0.0
    # Of two independent shares of 1200 words, from a table of the normal distribution.
    assert smallest == pytest.approx(2.8 * (2 * 0.2 * 0.8 / 1200) ** 0.5, rel=0.15)
    found = sum(
        (
            compare(
                corpus(0.2 - smallest, utterances=120, seed=s),
                corpus(0.2, utterances=120, seed=s + 500),
            ).p_value
            or 1
        )
        < 0.05
        for s in range(10, 70)
    )
    assert 38 <= found <= 57  # 60 tries at 80 %


def test_recordings_are_drawn_where_no_speaker_is_known():
    lines = [Prediction(f"{r}-{i}", "a", "b", recording=f"{r}.wav") for r in range(6) for i in "ab"]
    assert block_unit(score_predictions(lines, "wer", "none")) == "recording"
    apart = lines[::2]
    assert block_unit(score_predictions(apart, "wer", "none")) == "utterance"
    few = [line for line in lines if line.recording in ("0.wav", "1.wav")]
    assert block_unit(score_predictions(few, "wer", "none")) == "utterance"


def test_pooled_rows_are_all_rows():
    rows = np.random.default_rng(0).integers(0, 4, size=(300, 3))
    for scale in (1, 2**40):
        different, copies = pool(rows * scale)
        assert sorted(map(tuple, np.repeat(different, copies, axis=0).tolist())) == sorted(
            map(tuple, (rows * scale).tolist())
        )


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([None, 0.02, None], [None, 0.02, None]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # Holm's own arithmetic
        ([0.6, 0.7], [1.0, 1.0]),
    ],
)
def test_holms_correction(p_values: list[float | None], corrected: list[float | None]):
    assert holm(p_values) == pytest.approx(corrected)
