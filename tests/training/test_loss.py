"""The loss is the mean over a step's tokens, however the step is cut and padded."""

from __future__ import annotations

import torch

from utils.speech.labels import IGNORED
from utils.training.loss import StepLoss, token_loss_sum


class Outputs:
    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits


def test_it_is_the_mean_cross_entropy() -> None:
    logits, labels = torch.randn(2, 3, 7), torch.randint(7, (2, 3))
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    found = StepLoss()(Outputs(logits), labels, torch.tensor(6))
    torch.testing.assert_close(found, expected)


def test_parts_of_a_step_add_up_to_the_whole() -> None:
    logits, labels = torch.randn(4, 5, 7), torch.randint(7, (4, 5))
    labels[0, 2:] = IGNORED
    count = labels.ne(IGNORED).sum()
    loss = StepLoss(smoothing=0.1)
    whole = loss(Outputs(logits), labels, count)
    parts = sum(loss(Outputs(logits[i : i + 1]), labels[i : i + 1], count) for i in range(4))
    torch.testing.assert_close(parts, whole)


def test_padding_is_ignored() -> None:
    logits, labels = torch.randn(1, 3, 7), torch.randint(7, (1, 3))
    longer = torch.cat([logits, torch.randn(1, 4, 7)], dim=1)
    padded = torch.cat([labels, torch.full((1, 4), IGNORED)], dim=1)
    torch.testing.assert_close(token_loss_sum(longer, padded), token_loss_sum(logits, labels))


def test_a_step_without_a_token_has_no_loss_and_no_gradient() -> None:
    logits = torch.randn(1, 3, 7, requires_grad=True)
    loss = StepLoss()(Outputs(logits), torch.full((1, 3), IGNORED), torch.tensor(0))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert not logits.grad.any()
