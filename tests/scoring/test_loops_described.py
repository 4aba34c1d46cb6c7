"""Loops are counted and named in a sentence, with what they cost."""

from __future__ import annotations

from utils.scoring.hallucinations import describe_loops, without_loops
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions


def described(*texts: tuple[str, str]) -> str:
    made = [Prediction(f"u{i}", said, heard) for i, (said, heard) in enumerate(texts)]
    score = score_predictions(made, "wer", "english", raw=False)
    return describe_loops(score, *without_loops(score))


def test_a_loop_is_named_with_what_it_costs() -> None:
    assert (
        described(("turn it off", "turn it" + " off" * 21), ("good morning to you", "good warning"))
        == '1 utterance loops: u0 ("off" 21 times); WER 328.57%, 42.86% with each phrase once'
    )


def test_many_loops_are_counted_and_the_longest_named() -> None:
    texts = [("yes", "no" + " no" * (5 + size)) for size in range(5)]
    assert described(*texts).startswith(
        '5 utterances loop: u4 ("no" 10 times), u3 ("no" 9 times), u2 ("no" 8 times) and 2 more; W'
    )


def test_in_silence_there_is_no_rate() -> None:
    assert described(("", "you " * 9)) == '1 utterance loops: u0 ("you" 9 times)'
