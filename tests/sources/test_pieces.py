"""Sentences become pieces of at most 30 s; what cannot be right is in none of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from utils.audio.clip import TimedSentence
from utils.sources.text.pieces import check_times, pack, silences

S = TimedSentence
LENGTH = 100.0


def test_a_short_pause_goes_to_the_sentence_before_a_long_one_stays_silence() -> None:
    (piece,) = pack([S(2.0, 3.0, "one"), S(3.8, 5.0, "two"), S(6.5, 8.0, "three")])
    assert (piece.start, piece.end, piece.text) == (2.0, 8.0, "one two three")
    assert [(s.start, s.end) for s in piece.sentences] == [(0, 1.8), (1.8, 3.0), (4.5, 6.0)]


def test_a_piece_ends_before_thirty_seconds() -> None:
    pieces = pack([S(0, 14, "a"), S(14, 30, "b"), S(30, 31, "c")])
    assert [(piece.start, piece.end, piece.text) for piece in pieces] == [
        (0, 30, "a b"),
        (30, 31, "c"),
    ]


def test_chinese_sentences_are_joined_without_a_space() -> None:
    (piece,) = pack([S(0, 1, "今天天气很好"), S(1, 2, "我们去公园吧")])
    assert piece.text == "今天天气很好我们去公园吧"


def test_a_small_overlap_is_cut_and_a_large_one_leaves_both_out() -> None:
    usable, unusable = check_times(
        [S(0, 2.3, "a"), S(2.0, 4, "b"), S(10, 14, "c"), S(12, 15, "d"), S(20, 21, "e")], LENGTH
    )
    assert usable == [S(0, 2.0, "a"), S(2.3, 4, "b"), S(20, 21, "e")]
    assert [(each.sentence.text, each.reason.split(":")[0]) for each in unusable] == [
        ("c", "overlaps another sentence"),
        ("d", "overlaps another sentence"),
    ]
    # The piece does not reach over what two people say at once.
    assert [piece.text for piece in pack(usable, unusable)] == ["a b", "e"]


def test_a_sentence_under_a_long_one_spoils_every_one_that_it_overlaps() -> None:
    usable, unusable = check_times(
        [S(0, 20, "long"), S(2, 4, "x"), S(10, 12, "y"), S(20, 21, "z")], LENGTH
    )
    assert [each.text for each in usable] == ["z"]
    assert sorted(each.sentence.text for each in unusable) == ["long", "x", "y"]


def test_times_past_the_end_are_cut_by_a_little_or_left_out() -> None:
    usable, unusable = check_times(
        [S(98, 100.3, "a"), S(99.9, 104, "b"), S(200, 201, "c"), S(5, 5, "d"), S(0, 31, "e")],
        LENGTH,
    )
    assert usable == [S(98, 99.9, "a")]
    assert check_times([S(98, 100.3, "a")], LENGTH) == ([S(98, 100.0, "a")], [])
    assert {each.sentence.text: each.reason.split(":")[0] for each in unusable} == {
        "b": "past the end",
        "c": "past the end",
        "d": "no length",
        "e": "too long",
    }


def test_a_sentence_that_stands_there_twice_counts_once() -> None:
    assert check_times([S(0, 1, "a"), S(0, 1, "a")], LENGTH) == ([S(0, 1, "a")], [])


def test_silences_fill_what_no_sentence_touches() -> None:
    usable, unusable = check_times([S(5, 6, "a"), S(6.5, 8, "b"), S(50, 90, "c")], LENGTH)
    pieces = pack(usable, unusable)
    found = [(each.start, each.end) for each in silences(pieces, unusable, LENGTH)]
    assert found == [(0, 5), (8, 38), (38, 50), (90, 100)]


@given(
    st.lists(
        st.builds(
            lambda start, length: S(start, start + length, "x"),
            st.floats(0, 110).map(lambda x: round(x, 2)),
            st.floats(0, 35).map(lambda x: round(x, 2)),
        ),
        max_size=30,
    )
)
def test_pieces_hold_every_usable_sentence_once_in_order(sentences: list[S]) -> None:
    usable, unusable = check_times(sentences, LENGTH)
    distinct = {(s.start, s.end) for s in sentences}
    assert len(usable) + len(unusable) >= len(distinct)
    pieces = pack(usable, unusable)
    assert sum(len(piece.sentences) for piece in pieces) == len(usable)
    position = 0.0
    for piece in pieces:
        assert position <= piece.start < piece.end <= LENGTH
        assert piece.end - piece.start <= 30.0 + 1e-9
        position = piece.end
        times = [t for s in piece.sentences for t in (s.start, s.end)]
        assert times == sorted(times)
        assert times[0] == 0 and times[-1] <= piece.end - piece.start + 1e-3
        for each in unusable:
            assert (
                each.sentence.end <= piece.start
                or each.sentence.start >= piece.end
                or (each.sentence.end <= each.sentence.start)
            )
