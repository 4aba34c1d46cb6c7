"""Cost is of fresh work, and adds up."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.transcription.cost import (
    BatchCost,
    Measured,
    MemoryMeter,
    Stopwatch,
    peak_memory_bytes,
    percentile,
    reset_peak_memory,
    summarize,
)


def test_a_single_process_adds_its_batches_up():
    batches = [BatchCost(2.0, 3, 30.0, 60), BatchCost(1.0, 1, 10.0, 30)]
    cost = summarize(batches, 5, [Measured(9, 7, "a device", 2, "a library")])
    assert (cost.utterances, cost.cached_utterances) == (4, 5)
    assert cost.real_time_factor == pytest.approx(3.0 / 40.0)
    assert cost.tokens_per_second == pytest.approx(30.0)
    assert cost.rtfx == pytest.approx(40.0 / 3.0)
    assert (cost.latency_seconds, cost.batch_seconds, cost.batch_size) == ({}, {"p50": 1.0}, 3)
    assert (cost.peak_memory_bytes, cost.model_memory_bytes) == (9, 7)
    assert (cost.device, cost.threads, cost.libraries, cost.repeats) == (
        *("a device", 2, "a library"),
        1,
    )


@pytest.mark.parametrize(
    ("utterances", "told"),
    [(1, []), (2, ["p50"]), (10, ["p50", "p90"]), (20, ["p50", "p90", "p95"])],
)
def test_percentiles_are_of_utterances_decoded_alone_and_of_enough(
    utterances: int, told: list[str]
):
    cost = summarize([BatchCost(1.0, 1, 2.0, 3)] * utterances, 0)
    assert (list(cost.latency_seconds), cost.batch_seconds) == (told, {})
    assert len(summarize([BatchCost(1.0, 1, 2.0, 3)] * 100, 0).latency_seconds) == 4


def test_processes_work_at_the_same_time():
    batches = [BatchCost(2.0, 1, 10.0, 5, rank=0), BatchCost(3.0, 1, 10.0, 5, rank=1)]
    cost = summarize(batches, 0, [Measured(3, 2, "a"), Measured(5, 1, "a")])
    assert (cost.processes, cost.peak_memory_bytes, cost.model_memory_bytes) == (2, 5, 2)
    assert cost.work_seconds == 3.0
    assert cost.real_time_factor == pytest.approx(0.15)


def test_nothing_fresh_has_no_speed():
    cost = summarize([], 9, [Measured()]).to_json()
    assert (cost["real_time_factor"], cost["tokens_per_second"]) == (None, None)
    assert (cost["peak_memory_bytes"], cost["latency_seconds"]) == (None, {})


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_one_of_the_values_and_enough_lie_below(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert sum(v <= found for v in values) >= len(values) * percent / 100 - 1e-6


def test_the_device_is_waited_for_on_both_sides():
    waited = []
    watch = Stopwatch(lambda: waited.append(time.perf_counter()))
    with watch.running():
        time.sleep(0.02)
    assert len(waited) == 2
    assert watch.seconds >= 0.02


def test_memory_that_was_held_is_seen_until_the_peak_is_reset():
    reset_peak_memory()
    before = peak_memory_bytes()
    held = bytearray(64 << 20)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    peak = peak_memory_bytes()
    assert before is not None and peak is not None
    assert peak >= before
    assert peak >= 64 << 20


def test_a_model_is_not_charged_with_what_was_held_before_it():
    held = bytearray(256 << 20)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    meter = MemoryMeter()
    reset_peak_memory()
    model = bytearray(64 << 20)
    model[:: 1 << 12] = b"x" * len(model[:: 1 << 12])
    measured = meter.measured("a library")
    assert 60 << 20 <= (measured.model_memory_bytes or 0) < 128 << 20
    assert measured.device and measured.threads
