"""Words are put together to segments that read well by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.transcription.segments import LONGEST, cut_at_sentences
from utils.transcription.transcript import Word


def words(text: str, seconds: float = 0.5) -> list[tuple[Word, int]]:
    """Words of a text, each of so many seconds and one token."""
    return [
        (Word(f" {word}", i * seconds, (i + 1) * seconds, 1.0), 1)
        for i, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is late. We go home now.", ["It is late.", "We go home now."]),
        ("Then Mr. Smith and J. Doe came.", ["Then Mr. Smith and J. Doe came."]),
        ('He said "stop it!" They did.', ['He said "stop it!"', "They did."]),
        # Too short to be read alone.
        ("No. He did not come.", ["No. He did not come."]),
        ("is 3.5 percent", ["is 3.5 percent"]),
    ],
)
def test_sentences_end_where_their_marks_are(text, expected):
    found = cut_at_sentences(words(text))
    assert ["".join(w.text for w, _ in part).strip() for part in found] == expected


def test_a_long_sentence_ends_at_a_comma_or_in_a_pause():
    clauses = cut_at_sentences(words("one two three four five, six seven eight nine ten.", 2.0))
    assert [len(part) for part in clauses] == [5, 5]
    plain = words(" ".join(["word"] * 40))
    paused = [
        (Word(w.text, w.start + 2 * (i > 16), w.end + 2 * (i >= 16), 1.0), 1)
        for i, (w, _) in enumerate(plain)
    ]
    assert len(cut_at_sentences(paused)[0]) == 17


@given(st.lists(st.tuples(st.text("a.,。 ", min_size=1, max_size=4), st.floats(0, 3)), max_size=40))
def test_no_word_is_lost_and_no_segment_is_long(pieces):
    found, now = [], 0.0
    for text, seconds in pieces:
        found.append((Word(text, now, now + seconds, 1.0), 1))
        now += seconds
    groups = cut_at_sentences(found)
    assert [each for group in groups for each in group] == found
    assert all(groups)
    for group in groups:
        assert group[-1][0].end - group[0][0].start <= LONGEST + 3
