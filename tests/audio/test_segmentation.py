"""Pieces have the length that was asked for, hold all speech, and never overlap by accident."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.audio.segmentation import cut_at_silence, cut_windows
from utils.cli.errors import UserError


def test_speech_is_packed_up_to_the_longest_piece() -> None:
    speech = [(0.0, 12.0), (12.5, 24.0), (25.0, 31.0), (31.5, 36.0)]
    assert cut_at_silence(speech, 40.0, 5.0, 30.0) == ([(0.0, 24.0), (25.0, 36.0)], [])


def test_a_long_pause_ends_a_piece() -> None:
    assert cut_at_silence([(0.0, 6.0), (9.0, 16.0)], 20.0, 5.0, 30.0)[0] == [(0, 6), (9, 16)]


def test_a_short_rest_takes_speech_from_the_piece_before() -> None:
    speech = [(0.0, 14.0), (14.5, 29.0), (29.5, 31.0)]
    assert cut_at_silence(speech, 31.0, 5.0, 30.0)[0] == [(0.0, 14.0), (14.5, 31.0)]


def test_a_lonely_word_takes_in_the_silence_around_it() -> None:
    assert cut_at_silence([(10.0, 11.0)], 20.0, 5.0, 30.0) == ([(8.0, 13.0)], [])
    assert cut_at_silence([(0.5, 1.5)], 20.0, 5.0, 30.0) == ([(0.0, 5.0)], [])


def test_what_cannot_be_made_long_enough_is_named() -> None:
    assert cut_at_silence([(0.5, 1.5)], 3.0, 5.0, 30.0) == ([], [(0.5, 1.5)])


@given(
    st.lists(st.tuples(st.floats(0.05, 6), st.floats(0.1, 30)), max_size=25),
    st.floats(0.1, 5),
)
def test_pieces_hold_the_speech_within_the_limits(
    steps: list[tuple[float, float]], tail: float
) -> None:
    speech, now = [], 0.0
    for pause, length in steps:
        speech.append((now + pause, now + pause + length))
        now += pause + length
    pieces, too_short = cut_at_silence(speech, now + tail, 5.0, 30.0)
    position = 0.0
    for start, end in pieces:
        assert position - 2e-3 <= start < end <= now + tail + 1e-3
        assert 5.0 - 2e-3 <= end - start <= 30.0 + 2e-3
        position = end
    for start, end in speech:
        inside = any(a - 1e-3 <= start and end <= b + 1e-3 for a, b in [*pieces, *too_short])
        assert inside, "a stretch of speech was lost or cut"


def test_windows_cover_the_recording() -> None:
    assert cut_windows(26.0, 10.0, 2.0, 5.0) == [(0, 10), (8, 18), (16, 26)]
    # The rest is made a whole window.
    assert cut_windows(20.0, 10.0, 2.0, 5.0) == [(0, 10), (8, 18), (10, 20)]
    assert cut_windows(4.0, 10.0, 2.0, 5.0) == [(0, 4)]
    with pytest.raises(UserError, match="--overlap=10 is not below --window=10"):
        cut_windows(20.0, 10.0, 10.0, 5.0)


@given(st.floats(0.5, 200), st.floats(1, 30), st.floats(0, 0.9), st.floats(0.1, 10))
def test_windows_leave_no_gap(length: float, window: float, share: float, shortest: float) -> None:
    pieces = cut_windows(length, window, share * window, shortest)
    assert pieces[0][0] == 0
    assert pieces[-1][1] == pytest.approx(length, abs=1e-3)
    for (_, end), (start, _) in pairwise(pieces):
        assert start <= end + 2e-3
    assert all(end - start <= window + 2e-3 for start, end in pieces)
