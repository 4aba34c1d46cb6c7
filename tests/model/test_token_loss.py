"""The loss from hidden states is the plain loss, in a fraction of its memory."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from utils.data.labels import IGNORED
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.load import load_model
from utils.model.token_loss import VocabularyProjection, token_loss_from_hidden

CHUNKS = [0, 1, 3, 5, 100]


def plain(
    hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, smoothing: float
) -> torch.Tensor:
    logits = (hidden @ weight.T).float()
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")


def gradients(loss: torch.Tensor, *inputs: torch.Tensor) -> list[torch.Tensor]:
    return [loss.detach(), *torch.autograd.grad(loss, inputs)]


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_are_the_derivatives_of_the_loss(chunk: int, smoothing: float) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(11, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(11, (5,))

    def loss(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return token_loss_from_hidden(hidden, weight, labels, smoothing=smoothing, chunk=chunk)

    assert torch.autograd.gradcheck(loss, (hidden, weight))


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_equals_the_plain_loss_whatever_the_chunk(chunk: int, smoothing: float) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(13, 16, requires_grad=True)
    weight = torch.randn(997, 16, requires_grad=True)
    labels = torch.randint(997, (13,))
    expected = gradients(plain(hidden, weight, labels, smoothing) / 13, hidden, weight)
    found = token_loss_from_hidden(hidden, weight, labels, smoothing=smoothing, chunk=chunk) / 13
    torch.testing.assert_close(gradients(found, hidden, weight), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("train_weight", [True, False], ids=["trained", "frozen"])
def test_only_what_trains_gets_a_gradient(train_weight: bool) -> None:
    hidden = torch.randn(3, 4, requires_grad=True)
    weight = torch.randn(7, 4, requires_grad=train_weight)
    token_loss_from_hidden(hidden, weight, torch.randint(7, (3,)), chunk=2).backward()
    assert hidden.grad is not None
    assert (weight.grad is not None) == train_weight


def test_the_logits_of_the_whole_batch_are_never_held() -> None:
    sizes = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore
            out = func(*args, **(kwargs or {}))
            sizes.extend(t.numel() for t in tree_leaves(out) if isinstance(t, torch.Tensor))
            return out

    hidden = torch.randn(64, 4, requires_grad=True)
    weight, labels = torch.randn(1000, 4, requires_grad=True), torch.randint(1000, (64,))
    with Watch():
        token_loss_from_hidden(hidden, weight, labels, chunk=8).backward()
    assert max(sizes) == 8 * 1000


def test_without_gradients_none_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from utils.model import token_loss

    asked = []
    compute = token_loss._loss_and_slope
    monkeypatch.setattr(
        token_loss, "_loss_and_slope", lambda *args: asked.append(args[3]) or compute(*args)
    )
    hidden, weight = torch.randn(3, 4), torch.randn(7, 4, requires_grad=True)
    labels = torch.randint(7, (3,))
    with torch.no_grad():
        token_loss_from_hidden(hidden, weight, labels)
    token_loss_from_hidden(hidden, weight, labels)
    assert asked == [False, True]


def test_logits_that_overflow_exp_have_a_finite_loss() -> None:
    hidden, weight = torch.full((1, 1), 1e4), torch.tensor([[1.0], [-1.0]])
    loss = token_loss_from_hidden(hidden, weight, torch.tensor([1]))
    assert loss == 2e4


def test_positions_without_a_label_cost_nothing() -> None:
    """Not even a wrong value there is felt."""
    head = VocabularyProjection(4, 7, bias=False)
    hidden, labels = torch.randn(2, 3, 4), torch.tensor([[1, 2, IGNORED], [IGNORED, 3, IGNORED]])
    expected = head(hidden, labels)
    hidden[labels == IGNORED] = torch.nan
    torch.testing.assert_close(head(hidden, labels), expected)


@pytest.mark.parametrize("chunk", [0, 4])
def test_autocast_rounds_as_the_plain_loss_does(chunk: int) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(9, 32, requires_grad=True)
    weight = (0.1 * torch.randn(211, 32)).requires_grad_()
    labels = torch.randint(211, (9,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = gradients(plain(hidden, weight, labels, 0.1), hidden, weight)
        found = token_loss_from_hidden(hidden, weight, labels, smoothing=0.1, chunk=chunk)
    assert found.dtype == torch.float32
    torch.testing.assert_close(gradients(found, hidden, weight), expected, atol=2e-2, rtol=2e-2)


def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    labels = torch.randint(50_000, (3, 6))
    labels[:, :2], labels[1, 4:] = IGNORED, IGNORED
    ids = torch.randint(50_000, (3, 6))
    return {"input_features": torch.randn(3, 80, 60), "decoder_input_ids": ids, "labels": labels}


def logits_loss(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    labels = inputs["labels"]
    stock = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**stock).logits.flatten(0, 1)
    return functional.cross_entropy(logits, labels.flatten(), reduction="sum") / 10


def model_loss(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    stock = {name: value for name, value in inputs.items() if name != "labels"}
    return model(**stock, loss_labels=inputs["labels"], loss_chunk=4).token_loss_sum / 10


def adapted(whisper: FlexibleWhisper) -> torch.nn.Module:
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["q_proj", "fc1"], init_lora_weights=False)
    return get_peft_model(copy.deepcopy(whisper), config)


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_a_model_learns_the_same_from_it(tiny_model: Path, kind: str) -> None:
    model = load_model(str(tiny_model)).model
    assert model.proj_out.weight is model.model.decoder.embed_tokens.weight  # tied: two gradients
    model = adapted(model) if kind == "lora" else model
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    expected = gradients(logits_loss(model, batch()), *trained)
    found = gradients(model_loss(model, batch()), *trained)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_generation_sees_the_stock_arguments(tiny_model: Path) -> None:
    """The library reads the names of forward's arguments to decide what it may pass."""
    import inspect

    from transformers import WhisperForConditionalGeneration

    expected = inspect.signature(WhisperForConditionalGeneration.forward)
    assert inspect.signature(FlexibleWhisper.forward) == expected


def test_gradients_over_many_chunks_are_summed_in_float32() -> None:
    """In the weights' own bfloat16 the error would grow from 0.003 to over 0.01."""
    torch.manual_seed(0)
    hidden = torch.randn(512, 32)
    weight = (0.1 * torch.randn(64, 32)).requires_grad_()
    labels = torch.randint(8, (512,))  # the same rows again and again, as frequent words do
    (expected,) = torch.autograd.grad(plain(hidden, weight, labels, 0.0), weight)
    half = weight.detach().bfloat16().requires_grad_()
    loss = token_loss_from_hidden(hidden.bfloat16(), half, labels, chunk=2)
    (found,) = torch.autograd.grad(loss, half)
    error = ((found.float() - expected).norm() / expected.norm()).item()
    assert error < 0.006


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_projection_gives_the_loss_of_the_positions_that_count(smoothing: float) -> None:
    torch.manual_seed(0)
    projection = VocabularyProjection(8, 30, bias=False)
    hidden, labels = torch.randn(2, 5, 8), torch.randint(30, (2, 5))
    labels[0, :2] = labels[1, 4] = IGNORED
    counts = labels != IGNORED
    expected = plain(hidden[counts], projection.weight, labels[counts], smoothing)
    found = projection(hidden, labels, smoothing)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(projection(hidden, labels, smoothing, 3), expected)
    torch.testing.assert_close(projection(hidden), hidden @ projection.weight.T)
