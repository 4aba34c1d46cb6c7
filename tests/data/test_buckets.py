"""Steps by seconds and tokens: within their budget, tight, equally many in every pass."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.batching import PADDING_EXAMPLE, BatchPlan, StepSampler
from utils.data.buckets import Budget

LENGTHS = st.lists(st.floats(0.1, 30.0), min_size=1, max_size=200)


def tokens_of(durations: list[float]) -> list[int]:
    """About four tokens a second, as Mandarin has, but some clips hold far more."""
    return [5 + int(4 * s) + (97 if i % 17 == 3 else 0) for i, s in enumerate(durations)]


def aishell_like(number: int) -> list[float]:
    """Lengths as AISHELL-1 has them: 4.5 s on average, 1.2 to 14.5 s."""
    rng = np.random.default_rng(0)
    return np.clip(rng.lognormal(np.log(4.3), 0.32, number), 1.2, 14.5).tolist()


def mixed_lengths(number: int) -> list[float]:
    return np.random.default_rng(1).uniform(0.1, 30.0, number).tolist()


@given(
    durations=LENGTHS,
    seconds=st.none() | st.floats(1.0, 300.0),
    tokens=st.none() | st.integers(10, 2000),
    parts=st.sampled_from([(1, 1), (3, 1), (2, 2)]),
    shares=st.sampled_from([(0.0, 0.0), (0.05, 0.05), (1.0, 0.0)]),
)
def test_every_step_keeps_its_budget_and_every_clip_comes_once(
    durations: list[float],
    seconds: float | None,
    tokens: int | None,
    parts: tuple[int, int],
    shares: tuple[float, float],
) -> None:
    lengths = tokens_of(durations)
    options = {"batch_seconds": seconds, "batch_tokens": tokens, "seed": 3}
    names = {"full_share": shares[0], "tail_share": shares[1]}
    seen, numbers = Counter[int](), set()
    for epoch in (0, 1):
        for rank in range(parts[1]):
            plan = BatchPlan(4, *parts, rank, **names, **options)
            sampler = StepSampler(durations, plan, lengths)
            sampler.set_epoch(epoch)
            batches = list(sampler)
            assert len(batches) == len(sampler)
            numbers.add(len(batches))
            for batch in batches:
                rows = [key.row for key in batch if key.row != PADDING_EXAMPLE]
                seen.update(rows)
                if len(rows) > 1 and seconds is not None:
                    assert len(rows) * batch[0].window <= seconds * (1 + 1e-6)
                if len(rows) > 1 and tokens is not None:
                    assert len(rows) * max(lengths[row] for row in rows) <= tokens
                assert all(key.window >= durations[key.row] for key in batch if rows)
    assert len(numbers) == 1  # in all passes and processes
    assert seen == Counter(dict.fromkeys(range(len(durations)), 2))


@pytest.mark.parametrize("lengths", [aishell_like, mixed_lengths])
@pytest.mark.parametrize(
    "plan",
    [
        BatchPlan(8, full_share=0.0),
        BatchPlan(8, 4, full_share=0.0),
        BatchPlan(8, full_share=0.0, batch_seconds=120),
        BatchPlan(8, 2, full_share=0.0, batch_seconds=240),
        BatchPlan(8, full_share=0.0, batch_tokens=800),
        BatchPlan(8, full_share=0.0, batch_seconds=120, batch_tokens=800),
    ],
    ids=["8 clips", "32 clips", "120 s", "480 s", "800 tokens", "120 s and 800 tokens"],
)
def test_less_than_a_twentieth_of_the_windows_is_padding(lengths, plan: BatchPlan) -> None:
    durations = lengths(10_000)
    sampler = StepSampler(durations, plan, [5 + int(4 * seconds) for seconds in durations])
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        assert sampler.padding_waste() < 0.05


@pytest.mark.parametrize("lengths", [aishell_like, mixed_lengths])
def test_steps_make_good_use_of_their_seconds(lengths) -> None:
    sampler = StepSampler(lengths(10_000), BatchPlan(8, full_share=0.0, batch_seconds=240))
    used = [len(step) * window for step, window in sampler.steps()]
    assert np.mean(used) > 0.9 * 240


def test_the_same_clips_meet_however_many_processes_share_a_step() -> None:
    durations = aishell_like(500)
    found = []
    for accumulation, processes in ((4, 1), (2, 2), (1, 4)):
        plan = BatchPlan(8, accumulation, processes, batch_seconds=30, full_share=0.1)
        steps = list(StepSampler(durations, plan, tokens_of(durations)).steps())
        found.append([(sorted(step.tolist()), window) for step, window in steps])
    assert found[0] == found[1] == found[2]


def test_members_of_a_step_change_from_pass_to_pass() -> None:
    sampler = StepSampler(aishell_like(1000), BatchPlan(8, batch_seconds=60, full_share=0.05))
    passes = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        passes.append({frozenset(step.tolist()) for step, _ in sampler.steps()})
    assert len(passes[0] & passes[1]) < 0.1 * len(passes[0])


def test_full_windows_come_in_smaller_steps_with_clips_of_all_lengths() -> None:
    durations = mixed_lengths(4000)
    plan = BatchPlan(8, batch_seconds=240, full_share=0.05, tail_share=0.05)
    steps = list(StepSampler(durations, plan).steps())
    full = [step for step, window in steps if window == 30.0]
    assert max(len(step) for step in full) == 8
    lengths = np.array([durations[row] for step in full for row in step])
    assert 0.02 < len(full) / len(steps) < 0.08
    assert lengths.min() < 3 and lengths.max() > 27


def test_clips_of_one_single_length_fill_every_step() -> None:
    sampler = StepSampler([5.0] * 100, BatchPlan(8, batch_seconds=50, full_share=0.0))
    assert [len(step) for step, _ in sampler.steps()] == [10] * 10
    assert sampler.padding_waste() == 0


def test_a_clip_that_fits_nowhere_is_a_batch_of_its_own() -> None:
    plan = BatchPlan(8, batch_seconds=10, full_share=0.0)
    sampler = StepSampler([2.0, 12.0, 2.0, 25.0], plan)
    assert sorted(len(step) for step, _ in sampler.steps()) == [1, 1, 2]
    assert sampler.num_oversized() == 2


def test_a_budget_of_so_many_clips_holds_exactly_so_many() -> None:
    for clips in range(1, 300):
        budget = Budget(parts=3, clips=clips)
        cost = budget.costs(np.array([5.0]), np.array([9]))[0]
        assert budget.capacity(cost) == 3 * clips
