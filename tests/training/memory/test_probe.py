"""The probe finds the largest batch that stays within a budget, and leaves the model as it was."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from utils.cli.errors import Failure
from utils.model.load import load_model
from utils.model.precision import Precision
from utils.training.memory.probe import (
    Capacity,
    MemoryProbe,
    container_limit,
    free_memory,
    largest_that_fits,
    peak_memory,
    predicted_peak,
)

CPU = torch.device("cpu")
MB = 10**6


@given(st.integers(0, 300), st.integers(1, 256))
def test_the_search_finds_the_largest_and_tries_nothing_twice_as_large(fit: int, most: int) -> None:
    tried: list[int] = []

    def fits(batch: int) -> bool:
        tried.append(batch)
        return batch <= fit

    assert largest_that_fits(fits, most) == min(fit, most)
    assert max(tried) <= max(2 * fit, 1)
    assert len(tried) == len(set(tried))
    assert len(tried) <= 2 * most.bit_length() + 1


def test_a_window_that_was_not_tried_takes_the_next_longer_ones_number() -> None:
    capacity = Capacity({5.0: 12, 10.0: 6, 30.0: 2})
    assert [capacity.fit(seconds) for seconds in (0.1, 5.0, 5.1, 10.0, 29.0)] == [12, 12, 6, 6, 2]
    with pytest.raises(ValueError, match="31"):
        capacity.fit(31.0)


def test_peaks_are_predicted_on_a_line() -> None:
    assert predicted_peak({}, 4) is None
    assert predicted_peak({1: 100}, 4) is None
    assert predicted_peak({1: 100, 2: 150}, 4) == 250
    assert predicted_peak({1: 100, 2: 90}, 4) == 90  # noise: never less than what was seen


def probe(path: Path, budget: int) -> MemoryProbe:
    model = load_model(str(path)).model
    return MemoryProbe(model, tokens=8, precision=Precision(), loss_chunk=256, budget=budget)


def test_trials_leave_weights_gradients_mode_and_random_state_alone(tiny_model: Path) -> None:
    found = probe(tiny_model, 10**12)
    before = copy.deepcopy(found.model.state_dict())
    random_state = torch.get_rng_state()
    assert found.largest_batch(0.5, 4) == 4
    after = found.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in found.model.parameters())
    assert not found.model.training
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_larger_budget_and_a_shorter_window_fit_more(tiny_model: Path) -> None:
    """With a made-up device: bytes in proportion to examples and frames."""

    def fitting(budget: int, window: float) -> int:
        found = probe(tiny_model, budget)
        found._trial = lambda batch, frames: 1000 + batch * frames  # type: ignore[method-assign]
        return found.largest_batch(window, 64)

    assert fitting(1000 + 800, 1.0) == 8
    assert fitting(1000 + 1600, 1.0) == 16
    assert fitting(1000 + 1600, 2.0) == 8
    assert fitting(1000 + 99, 1.0) == 0


def test_nothing_beyond_the_budget_is_tried_on_a_cpu(tiny_model: Path) -> None:
    found, tried = probe(tiny_model, 1000 + 100 * 23), []

    def trial(batch: int, frames: int) -> int:
        tried.append(batch)
        return 1000 + batch * frames

    found._trial = trial  # type: ignore[method-assign]
    assert found.largest_batch(1.0, 1000) == 23
    assert max(tried) <= 23


def test_a_model_that_fits_nowhere_is_one_sentence(tiny_model: Path) -> None:
    found = probe(tiny_model, 1)
    with pytest.raises(Failure, match=r"not even one utterance of 0\.5 s fits into 0\.00 GB"):
        found.capacity([0.5], most=2)


def test_peaks_are_those_of_the_process() -> None:
    with peak_memory(CPU) as peak:
        begin = peak[0]
        held = torch.ones(100 * MB, dtype=torch.uint8)
        time.sleep(0.1)
        del held
    assert 80 * MB < peak[0] - begin < 200 * MB


def test_the_default_budget_is_less_than_what_is_free() -> None:
    import psutil

    assert 0 < free_memory(CPU) < psutil.virtual_memory().total


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    assert container_limit(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("100\n")
    assert container_limit(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert container_limit(tmp_path) == 900
