"""Figures beside the error rate, each on texts whose answer can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cli.errors import UserError
from utils.scoring.hallucinations import once_each, without_loops
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score, score_predictions
from utils.scoring.secondary.keyword_list import read_keywords
from utils.scoring.secondary.keywords import count_keywords, keyword_figures
from utils.scoring.secondary.numerals import numeral_figures
from utils.scoring.secondary.translation import translation_figures
from utils.scoring.secondary.writing import writing_figures


def score_of(pairs: list[tuple[str, str]], metric: str = "wer", name: str = "basic") -> Score:
    lines = [Prediction(str(i), ref, hyp) for i, (ref, hyp) in enumerate(pairs)]
    return score_predictions(lines, metric, name)


def keywords(score: Score, *words: str, name: str = "basic"):
    counts = count_keywords(score, words, lambda _: name)
    return counts, keyword_figures(score, counts, seed=0)


def test_keywords_are_whole_words_in_any_case():
    score = score_of([("Ask Ann in New York", "ask ann in new yorks"), ("an art", "ann art")])
    counts, figures = keywords(score, "Ann", "New York", "Nobody")
    assert (figures["keyword_recall"].count, figures["keyword_recall"].of) == (1, 2)
    assert (figures["keyword_precision"].count, figures["keyword_precision"].of) == (1, 2)
    assert figures["keyword_f1"].value == pytest.approx(0.5)
    assert figures["keyword_recall"].note == (
        "keywords missed most: New York (1); keywords in no reference (1): Nobody"
    )
    assert counts.missed == {"New York": 1} and counts.absent == ("Nobody",)


def test_keywords_of_scripts_without_spaces_are_characters():
    pairs = [("请打开空调", "请打开空掉"), ("打开 Wi Fi 吧", "打开wi fi吧")]
    score = score_of(pairs, "cer", "chinese")
    _, figures = keywords(score, "空调", "打开", "wi fi", name="chinese")
    assert (figures["keyword_recall"].count, figures["keyword_recall"].of) == (3, 4)
    thai = score_of([("สวัสดีครับ", "สวัสดี")], "cer", "thai")
    assert keywords(thai, "สวัสดี", name="thai")[1]["keyword_recall"].value == 1


def test_intervals_of_keywords_have_a_width_where_nothing_is_wrong():
    score = score_of([("ann came", "ann came")] * 20)
    _, figures = keywords(score, "ann")
    low, high = figures["keyword_recall"].interval or (1.0, 1.0)
    assert low < 0.9 and high == 1


@given(st.lists(st.lists(st.sampled_from("ab"), max_size=6), min_size=1, max_size=4))
def test_as_many_keywords_are_recognised_as_stand_on_both_sides(texts: list[list[str]]):
    pairs = [(" ".join(text), " ".join(reversed(text))) for text in texts]
    score = score_of(pairs)
    counts, _ = keywords(score, "a b", "b")
    assert (counts.found <= counts.spoken).all() and (counts.found <= counts.written).all()
    single, _ = keywords(score, "b")
    assert (single.found == single.spoken).all()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"\n# nothing\n", "holds no keywords"), (b"\xff\xfe\x00", "not UTF")],
)
def test_lists_that_are_none(tmp_path: Path, content: bytes, complaint: str):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        read_keywords(tmp_path / "list.txt")
    with pytest.raises(UserError, match="nothing is left"):
        keywords(score_of([("a", "a")]), "...")


def test_marks_are_compared_between_right_words_and_case_in_right_words():
    figures = writing_figures(
        score_of([("Hello, Ann. Don't go!", "hello Ann, don't go! no"), ("It is.", "It is.")]), 0
    )
    marks, case = figures["punctuation_error_rate"], figures["case_error_rate"]
    assert (marks.count, marks.of) == (2, 4)  # the first comma is missing, a full stop is a comma
    assert (case.count, case.of) == (2, 6)
    failed = [Prediction("0", "Hello, Ann.", "", status="failed")]
    marks = writing_figures(score_predictions(failed, "wer", "basic"), 0)["punctuation_error_rate"]
    assert (marks.count, marks.of) == (2, 2)


def test_texts_without_marks_or_in_one_case_have_no_such_rate():
    assert writing_figures(score_of([("ALL LOUD", "all loud.")]), 0) == {}
    rarely = [("a (laugh)", "A, laugh!"), *[("b", "b.")] * 20]
    assert writing_figures(score_of(rarely), 0) == {}
    chinese = writing_figures(score_of([("你好,吗?", "你好,吗?")], "cer", "chinese"), 0)
    assert chinese["punctuation_error_rate"].value == 0 and "case_error_rate" not in chinese


def test_a_loop_counts_once():
    score = score_of([("it goes on", "it goes on" + " and on" * 9), ("ha " * 9, "ha " * 9)])
    errors, loops = without_loops(score)
    assert score.errors.tolist() == [18, 0] and errors.tolist() == [2, 0]
    assert [(loop.id, loop.times) for loop in loops] == [("0", 9)]
    assert once_each(["a", "b", "c"]) == ["a", "b", "c"]


def test_errors_that_are_only_digits_against_numerals():
    pairs = [("二零二零年三月", "2020年3月"), ("一百二十三块", "一百二十四块")]
    pairs.append(("八十五个人", "85个仁"))
    score = score_of(pairs, "cer", "chinese")
    figure = numeral_figures(score, lambda _: "chinese@2", 0)["numeral_errors"]
    assert (figure.count, figure.of) == (8, 10)
    assert numeral_figures(score, lambda _: "basic@2", 0) == {}
    kept = score_of([("二十三，後面", "23 后面")], "cer", "none")
    assert numeral_figures(kept, lambda _: "chinese-raw", 0)["numeral_errors"].count == 3


def test_translations_are_scored_by_sacrebleu():
    text = "the cat sat on the mat"
    same = [Prediction(str(i), text, text) for i in range(3)]
    figures = translation_figures(same)
    assert figures["bleu"].value == 100 and figures["chrf"].value == 100
    assert "tok:13a" in figures["bleu"].note
    assert translation_figures([Prediction("0", "a b c d", "", status="failed")])["chrf"].value == 0
