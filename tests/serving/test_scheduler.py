"""Batches: every window once, those of a batch alike, requests in turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from utils.serving.messages import ModelFacts, Options, Window
from utils.serving.scheduler import Job, Line

LENGTHS = (16_000, 80_000, 480_000)
FACTS = {"a": ModelFacts("a", "x", True, LENGTHS, False, True)}
FACTS["b"] = ModelFacts("b", "x", True, LENGTHS, False, True)


def job(model: str, sizes: list[int], **options) -> Job:
    windows = [Window("f", 0, size, None, "transcribe") for size in sizes]
    return Job(Options(model, **options), windows, lambda number, text: None)


jobs = st.builds(
    job,
    st.sampled_from("ab"),
    st.lists(st.integers(1, 500_000), min_size=1, max_size=6),
    timestamps=st.booleans(),
)


@given(st.lists(jobs, max_size=8), st.integers(1, 5))
def test_every_window_is_decoded_once_beside_windows_that_are_padded_alike(waiting, size):
    line = Line(FACTS, size, 2)
    for each in waiting:
        line.add(each)
    taken = []
    while line.jobs:
        batch = line._take()
        assert 1 <= len(batch) <= size
        shapes = {
            (j.options.decoding, FACTS["a"].length_of(j.windows[n].samples)) for j, n in batch
        }
        assert len(shapes) == 1
        assert len(batch) <= 2 or batch[0][0].windows[batch[0][1]].samples <= 160_000
        taken += batch
    assert sorted((id(j), n) for j, n in taken) == sorted(
        (id(j), n) for j in waiting for n in range(len(j.windows))
    )


def test_a_long_recording_delays_a_short_one_by_one_batch():
    line = Line(FACTS, 4, 4)
    line.add(job("a", [480_000] * 100))
    line.add(short := job("a", [8_000]))
    batches = [line._take(), line._take()]
    assert batches[1] == [(short, 0)]


def test_requests_share_a_batch_before_one_fills_it():
    line = Line(FACTS, 3, 3)
    many = job("a", [9_000] * 9)
    others = [job("a", [9_000]) for _ in range(2)]
    for each in (many, *others):
        line.add(each)
    assert {each for each, _ in line._take()} == {many, *others}


def test_a_request_that_was_given_up_is_not_decoded():
    line = Line(FACTS, 3, 3)
    line.add(gone := job("a", [9_000] * 9))
    line.add(there := job("a", [9_000]))
    line.remove(gone)
    assert line._take() == [(there, 0)]
    assert not line.jobs and not line.waiting


def test_windows_of_a_worker_that_died_are_decoded_one_by_one():
    line = Line(FACTS, 3, 3)
    line.add(first := job("a", [9_000] * 3))
    batch = line._take()
    line.add(job("a", [9_000]))
    for each, number in batch:
        each.attempts[number] = 1
    line.put_back(batch)
    batches = [line._take() for _ in range(4)]
    assert batches[0] == [(first, 0)]
    assert all(len(batch) == 1 for batch in batches) and not line.jobs
