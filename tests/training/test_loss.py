"""The loss is the mean over a step's tokens, however the step is cut and padded."""

from __future__ import annotations

import torch

from utils.data.labels import IGNORED
from utils.model.audio_context.encoder import TokenLossOutput
from utils.model.token_loss import VocabularyProjection
from utils.training.loss import StepLoss


def outputs(hidden: torch.Tensor, labels: torch.Tensor, loss: StepLoss) -> TokenLossOutput:
    """What a model with these last hidden states answers; its vocabulary has seven words."""
    torch.manual_seed(0)
    head = VocabularyProjection(hidden.shape[-1], 7, bias=False)
    options = loss.model_inputs(labels)
    return TokenLossOutput(head(hidden, labels, options["label_smoothing"], options["loss_chunk"]))


def test_it_is_the_mean_over_the_tokens_of_the_step() -> None:
    hidden, labels = torch.randn(2, 3, 5), torch.randint(7, (2, 3))
    found = outputs(hidden, labels, StepLoss())
    assert StepLoss()(found, labels, torch.tensor(12)) == found.token_loss_sum / 12
    assert StepLoss()(found, labels) == found.token_loss_sum / 6


def test_parts_of_a_step_add_up_to_the_whole() -> None:
    hidden, labels = torch.randn(4, 5, 6), torch.randint(7, (4, 5))
    labels[0, 2:] = IGNORED
    count = labels.ne(IGNORED).sum()
    loss = StepLoss(smoothing=0.1, chunk=3)
    whole = loss(outputs(hidden, labels, loss), labels, count)
    rows = [slice(i, i + 1) for i in range(4)]
    parts = [loss(outputs(hidden[row], labels[row], loss), labels[row], count) for row in rows]
    torch.testing.assert_close(sum(parts), whole)


def test_padding_is_ignored() -> None:
    hidden, labels = torch.randn(1, 3, 5), torch.randint(7, (1, 3))
    longer = torch.cat([hidden, torch.randn(1, 4, 5)], dim=1)
    padded = torch.cat([labels, torch.full((1, 4), IGNORED)], dim=1)
    found = outputs(longer, padded, StepLoss()).token_loss_sum
    torch.testing.assert_close(found, outputs(hidden, labels, StepLoss()).token_loss_sum)


def test_a_step_without_a_token_has_no_loss_and_no_gradient() -> None:
    hidden = torch.randn(1, 3, 5, requires_grad=True)
    labels = torch.full((1, 3), IGNORED)
    loss = StepLoss()(outputs(hidden, labels, StepLoss()), labels, torch.tensor(0))
    loss.backward()
    assert loss == 0
    assert hidden.grad is not None
    assert not hidden.grad.any()
