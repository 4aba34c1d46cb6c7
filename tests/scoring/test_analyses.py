"""Why models err: confusions, sounds, loops, silence, times, and what a change is made of."""

from __future__ import annotations

import pytest

from utils.scoring.confusions import count_confusions
from utils.scoring.decompose import Side, decompose
from utils.scoring.hallucinations import find_loop, find_loops, hallucinated_in_silence
from utils.scoring.homophones import NEAR, OTHER_TONE, SAME_SOUND, sound_relation
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions
from utils.scoring.timing import count_matches, measure_timing


def predictions(*lines: tuple[str, str]) -> list[Prediction]:
    return [
        Prediction(f"u{i}", reference, hypothesis, "zh", audio_seconds=6.0)
        for i, (reference, hypothesis) in enumerate(lines)
    ]


def test_confusions_are_counted_by_kind():
    lines = predictions(("我在家", "我再家"), ("他在", "他再"), ("今天好", "今天"), ("好", "好的"))
    found = count_confusions(score_predictions(lines, "cer", "chinese"))
    assert found.substitutions == {("在", "再"): 2}
    assert found.deletions == {"好": 1}
    assert found.insertions == {"的": 1}


def test_a_token_is_as_accurate_as_it_is_often_heard():
    lines = predictions(("我在家", "我再家"), ("他在", "他在"), ("在", ""), ("在在", "在在"))
    score = score_predictions(lines, "cer", "chinese")
    found = count_confusions(score)
    assert (found.reference_counts["在"], found.missed["在"]) == (5, 2)
    assert found.accuracy("在") == pytest.approx(3 / 5)
    assert found.accuracy("我") == 1
    assert found.accuracy("没") is None
    # Half of the wrong utterances, at the same share of the right ones.
    assert count_confusions(score, most=1).reference_counts.total() == 5


def test_the_kinds_add_up_to_the_scores_errors():
    lines = predictions(("打开客厅的灯", "大开克厅灯灯"), ("明天见", ""), ("", "嗯"))
    score = score_predictions(lines, "cer", "chinese")
    found = count_confusions(score)
    assert found.substitutions.total() == score.counts.substitutions
    assert found.deletions.total() == score.counts.deletions
    assert found.insertions.total() == score.counts.insertions


@pytest.mark.parametrize(
    ("reference", "hypothesis", "relation"),
    [
        ("在", "再", SAME_SOUND),
        ("的", "得", SAME_SOUND),
        ("买", "卖", OTHER_TONE),
        ("山", "三", NEAR),
        ("民", "名", NEAR),
        ("南", "蓝", NEAR),
        ("人", "狗", ""),
        ("a", "在", ""),
        ("apple", "apples", ""),
    ],
)
def test_characters_sound_alike(reference: str, hypothesis: str, relation: str):
    assert sound_relation(reference, hypothesis) == relation


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("on and on and on and on and on", (("on", "and"), 4)),
        ("no no no", None),  # people say that
        ("ha ha ha ha", None),
        ("ha ha ha ha ha ha", (("ha",), 6)),
        ("a b c d e f g", None),
    ],
)
def test_a_loop_stands_four_times_in_a_row(text: str, loop: tuple | None):
    assert find_loop(text.split()) == loop


def test_what_was_said_so_is_no_loop():
    lines = predictions(("哈哈哈哈哈哈哈", "哈哈哈哈哈哈"), ("你好", "你好你好你好你好你好"))
    (loop,) = find_loops(score_predictions(lines, "cer", "chinese"))
    assert (loop.id, loop.phrase, loop.times) == ("u1", ("你", "好"), 5)


def test_what_is_heard_in_silence_is_counted_by_the_minute():
    lines = predictions(("", "谢谢 观看"), ("", ""), ("你好", "你好"))
    silence = hallucinated_in_silence(score_predictions(lines, "cer", "chinese"))
    assert (silence.utterances, silence.hallucinated, silence.characters) == (2, 1, 4)
    assert silence.characters_a_minute == pytest.approx(4 / 0.2)


def test_boundaries_are_matched_once_each():
    assert count_matches([1.0, 1.1], [1.05], 0.2) == 1
    assert count_matches([0.1, 0.3], [0.3, 0.5], 0.2) == 2
    assert count_matches([], [1.0], 0.2) == 0


def test_timing_against_a_case_worked_by_hand():
    timing = measure_timing([([(0.0, 1.0), (1.0, 2.0)], [(0.15, 2.0)]), ([(0.0, 1.0)], [])])
    assert (timing.utterances, timing.untimed, timing.meant, timing.given) == (1, 1, 4, 2)
    assert timing.f1(0.1) == pytest.approx(2 * 1 / 6)
    assert timing.f1(0.2) == pytest.approx(2 * 2 / 6)
    assert timing.overlap == pytest.approx(1.85 / 2.0)


def side(lines: list[Prediction], normalizer: str = "chinese@1", metric: str = "cer") -> Side:
    return Side(lines, metric, normalizer, score_predictions(lines, metric, normalizer).rate)


def test_the_steps_add_up_to_the_whole_change():
    before = predictions(("打开 WiFi", "打开wifi"), ("你好吗", "你好"), ("再见", "在见"))
    after = [
        *predictions(("打开 WiFi", "打开wi"), ("您好吗", "你好吗")),
        Prediction("new", "谢谢", "谢"),
    ]
    steps = decompose(side(before, "none@1"), side(after))
    first, last = steps[0].rate, steps[-1].rate
    assert first == score_predictions(before, "cer", "none@1").rate
    assert last == score_predictions(after, "cer", "chinese@1").rate
    assert first + sum(step.change for step in steps) == pytest.approx(last)
    assert steps[-1].rate == side(after).stated


def test_a_change_of_one_thing_is_named_by_that_thing():
    lines = predictions(("打开WiFi", "打开wifi"), ("你好", "你"))
    changed = {s.name for s in decompose(side(lines, "none"), side(lines)) if abs(s.change) > 1e-12}
    assert changed == {"normalizer"}
    better = predictions(("打开WiFi", "打开wifi"), ("你好", "你好"))
    changed = {s.name for s in decompose(side(lines), side(better)) if abs(s.change) > 1e-12}
    assert changed == {"model"}


def test_results_without_a_common_utterance_are_refused():
    with pytest.raises(ValueError, match="no utterance in common"):
        decompose(side(predictions(("好", "好"))), side([Prediction("x", "好", "好")]))
