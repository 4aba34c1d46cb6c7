"""Tokens are drawn as often as the model's probabilities say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from utils.transcription.engines.registry import Search
from utils.transcription.engines.sampling import Sampler

CHANCES = [0.1, 0.0, 0.55, 0.3, 0.05, 0.0]


def draws(temperature: float, count: int, seed: int = 0) -> np.ndarray:
    """Draw `count` tokens of each of two rows, int64 `(count, 2)`."""
    logits = (torch.tensor(CHANCES).log() * temperature).repeat(2, 1)
    sampler = Sampler(Search(max_new_tokens=1, temperature=temperature, seed=seed), 2)
    return np.stack([sampler(logits, [0, 1]).numpy() for _ in range(count)])


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_tokens_are_drawn_as_often_as_their_probability_says(temperature):
    count = 8000
    for column in draws(temperature, count).T:
        found = np.bincount(column, minlength=len(CHANCES)) / count
        error = np.sqrt(np.multiply(CHANCES, np.subtract(1, CHANCES)) / count)
        assert (np.abs(found - CHANCES) <= 4 * error).all()  # never what has no chance: error 0


def test_a_row_draws_the_same_whoever_is_drawn_beside_it():
    both = draws(1.0, 50)
    logits = torch.tensor([CHANCES]).log()
    sampler = Sampler(Search(max_new_tokens=1, temperature=1.0), 2)
    alone = [int(sampler(logits, [1])) for _ in range(50)]
    assert alone == both[:, 1].tolist() != both[:, 0].tolist()
    assert (draws(1.0, 50, seed=9) != both).any()


def test_only_tokens_with_a_chance_are_drawn_of_a_whole_vocabulary():
    logits = torch.full((1, 51865), float("-inf"))
    logits[0, [0, 50000, 51864]] = torch.tensor([1.0, 1.5, 1.0])
    sampler = Sampler(Search(max_new_tokens=1, temperature=1.0), 1)
    assert {int(sampler(logits, [0])) for _ in range(200)} == {0, 50000, 51864}
