"""Compiled layers learn what plain ones learn, and are compiled once for each window length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch._dynamo.utils import counters

from utils.audio.features import COMPILED_WINDOWS, WINDOW_FRAMES, compiled_window
from utils.cli.errors import UserError
from utils.model.activations import checkpoint_activations
from utils.model.compilation import check_compiler, compile_layers
from utils.model.load import load_model

WARM_UP = [(2, 100, 5), (2, 200, 7), (1, 100, 5), (1, 200, 7)]
LATER = [(3, 200, 6), (4, 100, 9), (3, 100, 5), (1, 200, 4), (5, 200, 11)]


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def trainable(path: Path, kind: str) -> Any:
    model = load_model(str(path)).model
    if kind == "lora":
        torch.manual_seed(0)
        config = LoraConfig(r=2, target_modules=["q_proj", "fc1"], init_lora_weights=False)
        model = get_peft_model(model, config)
    return model.train()


def learned(
    model: Any, batch: int, frames: int, tokens: int, merge_stride: int = 0
) -> list[torch.Tensor]:
    """Loss and gradients on made-up data of a shape."""
    torch.manual_seed(1)
    features, ids = torch.randn(batch, 80, frames), torch.randint(50_000, (batch, tokens))
    model.zero_grad()
    given = {"input_features": features, "decoder_input_ids": ids, "merge_stride": merge_stride}
    loss = model(**given, loss_labels=ids).token_loss_sum
    loss.backward()
    return [loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize(
    ("kind", "checkpointed", "merge_stride"), [("lora", False, 4), ("full", True, 0)]
)
def test_nothing_is_compiled_after_each_length_was_seen(
    tiny_model: Path, kind: str, checkpointed: bool, merge_stride: int
) -> None:
    """Traced and differentiated as always, but run by torch itself: seconds, not minutes."""
    model = trainable(tiny_model, kind)
    checkpoint_activations(model, checkpointed)
    expected = {shape: learned(model, *shape, merge_stride) for shape in WARM_UP + LATER}
    compile_layers(model, backend="aot_eager")
    for shape in WARM_UP:
        learned(model, *shape, merge_stride)
    graphs = counters["stats"]["unique_graphs"]
    # Encoder: a graph for each length and for batches of one; decoder: one each. An adapter's
    # first layers have inputs without a gradient, and need a graph more.
    assert 0 < graphs <= 2 * (2 * 2 + 2)
    for shape in LATER:
        found = learned(model, *shape, merge_stride)
        torch.testing.assert_close(found, expected[shape], atol=1e-3, rtol=1e-3)
    assert counters["stats"]["unique_graphs"] == graphs
    assert not counters["graph_break"]


def test_generation_is_not_compiled(tiny_model: Path) -> None:
    model = trainable(tiny_model, "full")
    compile_layers(model, backend="aot_eager")
    model.eval()
    with torch.no_grad():
        model(torch.randn(1, 80, 100), decoder_input_ids=torch.tensor([[1, 2]]))
    assert counters["stats"]["unique_graphs"] == 0


def test_compiled_layers_keep_their_names_and_weights(tiny_model: Path) -> None:
    model = trainable(tiny_model, "full")
    names = list(model.state_dict())
    compile_layers(model, backend="aot_eager")
    assert list(model.state_dict()) == names


def test_torchs_own_compiler_learns_the_same(tiny_model: Path) -> None:
    """The one test that really compiles: half a minute on an idle core."""
    try:
        check_compiler(torch.device("cpu"))
    except UserError as error:
        pytest.skip(error.message)
    model = trainable(tiny_model, "full")
    expected = learned(model, 2, 100, 5)
    compile_layers(model)
    torch.testing.assert_close(learned(model, 2, 100, 5), expected, atol=1e-3, rtol=1e-3)


def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_function: object) -> object:
        raise RuntimeError("No working C++ compiler found\nmore")

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(UserError, match=r"--use_compile=True: .*: No working C\+\+") as caught:
        check_compiler(torch.device("cpu"))
    assert "g++" in caught.value.hint


def test_windows_are_rounded_up_to_a_dozen_lengths() -> None:
    assert len(COMPILED_WINDOWS) == 12
    assert all(window % 2 == 0 for window in COMPILED_WINDOWS)
    for frames in range(50, WINDOW_FRAMES + 1, 2):
        window = compiled_window(frames)
        assert window in COMPILED_WINDOWS
        assert window >= frames
        assert window - frames < 100 or window < 1.4 * frames
