"""The flexible encoder is the stock one, and takes shorter windows too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from utils.model.audio_context.encoder import FlexibleWhisper


@pytest.fixture(scope="module")
def flexible(tiny_model: Path) -> FlexibleWhisper:
    return FlexibleWhisper.from_pretrained(tiny_model).eval()


@pytest.fixture(scope="module")
def stock(tiny_model: Path) -> WhisperForConditionalGeneration:
    return WhisperForConditionalGeneration.from_pretrained(tiny_model).eval()


def test_at_30_seconds_it_equals_the_stock_model(
    flexible: FlexibleWhisper, stock: WhisperForConditionalGeneration
) -> None:
    features, ids = torch.randn(2, 80, 3000), torch.randint(50257, (2, 5))
    with torch.no_grad():
        ours = flexible(features, decoder_input_ids=ids).logits
        theirs = stock(features, decoder_input_ids=ids).logits
    torch.testing.assert_close(ours, theirs)


def test_names_and_number_of_weights_are_the_stock_models(
    flexible: FlexibleWhisper, stock: WhisperForConditionalGeneration
) -> None:
    assert list(flexible.state_dict()) == list(stock.state_dict())


def test_a_model_made_from_a_config_begins_like_the_stock_model() -> None:
    """transformers draws what a subclass fixes, such as the sinusoids, at random."""
    heads = {"encoder_attention_heads": 1, "decoder_attention_heads": 1}
    config = WhisperConfig(d_model=64, encoder_layers=1, decoder_layers=1, **heads)
    positions = FlexibleWhisper(config).model.encoder.embed_positions
    stock = WhisperForConditionalGeneration(config).model.encoder.embed_positions
    assert torch.equal(positions.weight, stock.weight) and not positions.weight.requires_grad
    assert positions.weight[0, :32].eq(0).all() and positions.weight[0, 32:].eq(1).all()


@pytest.mark.parametrize("frames", [2, 50, 998, 3000])
def test_any_even_number_of_frames_is_taken(flexible: FlexibleWhisper, frames: int) -> None:
    with torch.no_grad():
        states = flexible.model.encoder(torch.randn(1, 80, frames)).last_hidden_state
    assert states.shape == (1, frames // 2, 32)


@pytest.mark.parametrize("frames", [0, 51, 3002])
def test_other_numbers_are_refused_with_the_number(flexible: FlexibleWhisper, frames: int) -> None:
    with pytest.raises(ValueError, match=f"given {frames} frames; it takes an even number"):
        flexible.model.encoder(torch.randn(1, 80, frames))


def test_positions_are_those_of_the_first_frames(flexible: FlexibleWhisper) -> None:
    """With attention to itself alone, a window's beginning does not feel what follows."""
    features = torch.randn(1, 80, 3000)
    encoder = flexible.model.encoder
    position = encoder.embed_positions.weight[:50]
    with torch.no_grad():
        hidden = torch.nn.functional.gelu(encoder.conv1(features[:, :, :100]))
        hidden = torch.nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1) + position
        for layer in encoder.layers:
            hidden = layer(hidden, None)
        expected = encoder.layer_norm(hidden)
        found = encoder(features[:, :, :100]).last_hidden_state
    torch.testing.assert_close(found, expected)


def test_it_saves_as_the_stock_class(flexible: FlexibleWhisper, tmp_path: Path) -> None:
    flexible.save_pretrained(tmp_path)
    loaded = WhisperForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.config.architectures == ["WhisperForConditionalGeneration"]
