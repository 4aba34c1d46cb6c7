"""Steps hold the same examples however they are cut; rows do not see their padding."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from utils.data.batching import (
    PADDING_EXAMPLE,
    BatchPlan,
    Collator,
    Example,
    StepSampler,
    pad_labels,
)
from utils.data.labels import IGNORED, Labels
from utils.model.load import load_model

DURATIONS = np.random.default_rng(0).uniform(0.5, 12.0, 103).tolist()


def step_sets(micro: int, accumulation: int, processes: int, epoch: int = 0) -> list[set[int]]:
    """The examples of each step, put together again from all processes."""
    steps: dict[int, set[int]] = {}
    for rank in range(processes):
        plan = BatchPlan(micro, accumulation, processes, rank, full_share=0.0, seed=5)
        sampler = StepSampler(DURATIONS, plan)
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        for number, batch in enumerate(batches):
            found = {key.row for key in batch} - {PADDING_EXAMPLE}
            steps.setdefault(number // accumulation, set()).update(found)
    return [steps[number] for number in sorted(steps)]


@pytest.mark.parametrize(("micro", "accumulation", "processes"), [(2, 8, 1), (1, 16, 1), (4, 2, 2)])
def test_a_step_holds_the_same_examples_however_it_is_cut(
    micro: int, accumulation: int, processes: int
) -> None:
    assert step_sets(micro, accumulation, processes) == step_sets(16, 1, 1)


def test_every_example_is_used_once_an_epoch() -> None:
    used = Counter(index for step in step_sets(8, 1, 2) for index in step)
    assert used == Counter(range(103))


def test_epochs_differ_and_repeat() -> None:
    assert step_sets(8, 1, 1, epoch=0) != step_sets(8, 1, 1, epoch=1)
    assert step_sets(8, 1, 1, epoch=1) == step_sets(8, 1, 1, epoch=1)


def test_similar_lengths_stand_together() -> None:
    sampler = StepSampler(DURATIONS, BatchPlan(8, full_share=0.0))
    lengths = [[DURATIONS[i] for i in step] for step, _ in sampler.steps()]
    padded = sum(max(step) * len(step) for step in lengths)
    assert padded / sum(map(sum, lengths)) < 1.1


def test_a_last_step_smaller_than_the_processes_has_weightless_stand_ins() -> None:
    keys = [
        key.row
        for rank in range(4)
        for batch in StepSampler([1.0, 2.0], BatchPlan(1, 1, 4, rank))
        for key in batch
    ]
    assert sorted(keys) == [PADDING_EXAMPLE, PADDING_EXAMPLE, 0, 1]


def test_the_share_of_full_windows_is_kept_and_all_parts_share_it() -> None:
    plan = BatchPlan(4, 2, full_share=0.3)
    batches = list(StepSampler([1.0] * 4000, plan))
    full = [batch[0].window == 30.0 for batch in batches]
    assert sum(full) / len(full) == pytest.approx(0.3, abs=0.01)
    assert full[0::2] == full[1::2]


@pytest.mark.parametrize("seed", range(5))
def test_a_short_pass_too_has_its_share_of_wide_windows(seed: int) -> None:
    sampler = StepSampler([1.0] * 160, BatchPlan(8, full_share=0.05, tail_share=0.05, seed=seed))
    for epoch in range(3):
        sampler.set_epoch(epoch)
        windows = [window for _, window in sampler.steps()]
        assert len(windows) == 22
        assert windows.count(30.0) == 1
        assert windows.count(1.0) == 20


def test_wide_steps_hold_a_quarter_of_the_clips_whoever_computes_them() -> None:
    found = []
    for micro, accumulation, processes in ((8, 1, 1), (4, 2, 1), (2, 1, 4)):
        plan = BatchPlan(micro, accumulation, processes, full_share=0.1)
        steps = list(StepSampler([2.0] * 400, plan).steps())
        assert {len(step) for step, window in steps if window == 30.0} == {2}
        found.append([(step.tolist(), window) for step, window in steps])
    assert found[0] == found[1] == found[2]


def test_a_share_of_the_steps_has_a_random_tail_of_silence() -> None:
    sampler = StepSampler([1.0] * 4000, BatchPlan(2, full_share=0.1, tail_share=0.2))
    windows = np.array([window for _, window in sampler.steps()])
    tails = windows[(windows > 1.0) & (windows < 30.0)]
    assert np.sum(windows == 30.0) == pytest.approx(len(tails) / 2, abs=1)
    assert len(tails) / len(windows) == pytest.approx(0.2, abs=0.01)
    assert np.histogram(tails, bins=4, range=(1, 30))[0].min() > len(tails) / 8
    again = [window for _, window in sampler.steps()]
    assert again == windows.tolist()


def test_a_margin_is_kept_after_the_longest_clip_up_to_30_s() -> None:
    sampler = StepSampler([4.0, 29.5], BatchPlan(1, full_share=0.0, margin=1.5))
    assert sorted(window for _, window in sampler.steps()) == [5.5, 30.0]


def test_windows_shrink_from_30_s_over_the_first_steps_of_the_run() -> None:
    plan = BatchPlan(1, 1, full_share=0.0, warmup_steps=15)
    sampler = StepSampler([3.0] * 10, plan)
    windows = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        windows += [window for _, window in sampler.steps()]
    expected = [3 + 27 * max(0, 1 - step / 15) for step in range(20)]
    assert windows == pytest.approx(expected)


def test_all_parts_of_a_step_have_the_window_of_its_longest_clip() -> None:
    whole = list(StepSampler(DURATIONS, BatchPlan(8, full_share=0.0, seed=5)))
    for rank in range(4):
        part = list(StepSampler(DURATIONS, BatchPlan(1, 2, 4, rank, full_share=0.0, seed=5)))
        for number, batch in enumerate(part):
            assert batch[0].window == max(DURATIONS[key.row] for key in whole[number // 2])


def example(tokens: int, seconds: float) -> Example:
    ids = tuple(range(tokens))
    samples = np.random.default_rng(tokens).standard_normal(int(seconds * 16_000))
    return Example(samples.astype(np.float32) * 0.1, Labels(ids, ids), f"{tokens}", 0.0)


def test_padding_is_by_length_not_by_token() -> None:
    rows = [Labels((1, 2, 50257), (2, 50257, 50257)), Labels((1,), (50257,))]
    batch = pad_labels(rows, 50257)
    assert batch["labels"].tolist() == [[2, 50257, 50257], [50257, IGNORED, IGNORED]]
    assert batch["decoder_input_ids"].tolist() == [[1, 2, 50257], [1, 50257, 50257]]


def test_a_collated_row_equals_its_example_alone(tiny_model: Path) -> None:
    collator = Collator(load_model(str(tiny_model)).log_mel, 50257)
    examples = [example(5, 1.0), example(9, 2.0)]
    together, alone = collator(examples), collator(examples[:1])
    torch.testing.assert_close(
        together["input_features"][0, :, :99], alone["input_features"][0, :, :99]
    )
    assert together["labels"][0, :5].tolist() == alone["labels"][0].tolist()
    assert together["input_features"].shape == (2, 80, 200)


def test_a_collators_margin_is_silence_after_the_longest_clip(tiny_model: Path) -> None:
    collator = Collator(load_model(str(tiny_model)).log_mel, 50257, margin=0.5)
    assert collator([example(5, 1.0), example(9, 2.0)])["input_features"].shape == (2, 80, 250)
