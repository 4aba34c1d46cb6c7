"""A thinned window gives the states of the silence that it stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.whisper.modeling_whisper import WhisperAttention

from utils.audio.features import SAMPLE_RATE, WINDOW_FRAMES, pad_samples, window_frames
from utils.audio.load import load_audio
from utils.manifest.read import read_manifest
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.audio_context.token_merging import (
    MERGE_MARGIN,
    MERGE_STRIDE,
    head_of,
    merge_silence,
    merged_length,
    proportional_bias,
)
from utils.model.load import load_model
from utils.model.loaded import LoadedModel

TOTAL = 1500


@pytest.fixture(scope="module")
def demo(demo_model: Path) -> LoadedModel:
    return load_model(str(demo_model))


@pytest.fixture(scope="module")
def heard(demo: LoadedModel, demo_model: Path) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Features of some clips in 30 s windows and in short ones, and positions that hold speech."""
    utterances = list(read_manifest(demo_model.parent / "zh" / "test.jsonl"))[:4]
    clips = [load_audio(each.audio) for each in utterances]
    longest = max(map(len, clips))
    short = window_frames(longest + round(MERGE_MARGIN * SAMPLE_RATE))
    return (
        demo.log_mel(pad_samples(clips, WINDOW_FRAMES)),
        demo.log_mel(pad_samples(clips, short)),
        window_frames(longest) // 2,
    )


def states(model: FlexibleWhisper, features: torch.Tensor, stride: int) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.model.encoder(features, merge_stride=stride).last_hidden_state
    return found


@given(st.integers(25, TOTAL), st.integers(1, 16))
def test_all_of_30_s_is_stood_for_and_the_length_tells_where(given: int, stride: int) -> None:
    head, length = head_of(given, TOTAL, stride), merged_length(given, TOTAL, stride)
    bias = proportional_bias(length, TOTAL, stride, torch.zeros(1, dtype=torch.float64))
    counts = torch.ones(length) if bias is None else bias.exp().flatten()
    assert counts.sum().item() == pytest.approx(TOTAL)
    assert counts[:head].eq(1).all() and counts[-1] == 1
    if given < TOTAL and stride > 1:
        assert counts[head:-1].sub(stride).abs().max() < 1e-9
        # No position of the head is the window's last one, whose convolution sees the edge.
        assert given - 1 - stride <= head - 1 < given - 1


@given(st.integers(25, TOTAL - 1), st.integers(1, 9))
def test_every_group_is_heard_at_its_middle(given: int, stride: int) -> None:
    positions = torch.arange(TOTAL, dtype=torch.float32)[:, None]
    hidden, _ = merge_silence(torch.zeros(1, given, 1), positions, stride)
    head = head_of(given, TOTAL, stride)
    groups = range(head, TOTAL - 1, stride)
    expected = [*range(head), *(begin + stride // 2 for begin in groups), TOTAL - 1]
    assert hidden.flatten().tolist() == expected


def test_with_a_stride_of_one_it_is_the_window_of_30_s(
    demo: LoadedModel, heard: tuple[torch.Tensor, torch.Tensor, int]
) -> None:
    full, short, _ = heard
    torch.testing.assert_close(
        states(demo.whisper, short, 1), states(demo.whisper, full, 0), atol=2e-5, rtol=0
    )


def test_a_window_of_30_s_has_no_tail(
    demo: LoadedModel, heard: tuple[torch.Tensor, torch.Tensor, int]
) -> None:
    full = heard[0][:1]
    assert torch.equal(states(demo.whisper, full, MERGE_STRIDE), states(demo.whisper, full, 0))
    assert demo.whisper.positions(WINDOW_FRAMES) == TOTAL


def test_it_is_nearly_heard_as_30_s_and_a_cut_window_is_not(
    demo: LoadedModel, heard: tuple[torch.Tensor, torch.Tensor, int]
) -> None:
    full, short, spoken = heard
    expected = states(demo.whisper, full, 0)[:, :spoken]

    def error(stride: int) -> float:
        found = states(demo.whisper, short, stride)[:, :spoken]
        return ((found - expected).norm() / expected.norm()).item()

    assert error(MERGE_STRIDE) < 0.002
    assert error(0) > 0.1


def test_a_key_that_counts_n_times_is_a_key_given_n_times(demo: LoadedModel) -> None:
    """The theorem behind it, for the decoder's attention with its own weights."""
    attention = demo.whisper.model.decoder.layers[0].encoder_attn
    assert type(attention) is WhisperAttention  # no class of the library is replaced
    torch.manual_seed(0)
    length = merged_length(300, TOTAL, 4)
    width = demo.whisper.config.d_model
    asked, thinned = torch.randn(2, 5, width), torch.randn(2, length, width)
    groups = (TOTAL - length) // 3
    times = torch.ones(length, dtype=torch.long)
    times[length - 1 - groups : -1] = 4
    repeated = thinned.repeat_interleave(times, dim=1)
    assert repeated.shape[1] == TOTAL
    with torch.no_grad():
        found = attention(asked, key_value_states=thinned, merge_stride=4)[0]
        expected = attention(asked, key_value_states=repeated)[0]
        unweighted = attention(asked, key_value_states=thinned)[0]
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(unweighted, expected, atol=1e-3)


def test_no_call_leaves_a_stride_behind(
    demo: LoadedModel, heard: tuple[torch.Tensor, torch.Tensor, int]
) -> None:
    """A stride is an argument: thinned, cut and full windows can be computed in any order."""
    ids, short = torch.tensor([[50258, 50260]]), heard[1][:1]

    def logits(stride: int) -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = demo.whisper(
                input_features=short, decoder_input_ids=ids, merge_stride=stride
            ).logits
        return found

    cut, thinned = logits(0), logits(MERGE_STRIDE)
    assert not torch.equal(cut, thinned)
    with pytest.raises(ValueError, match="given 51 frames"):
        demo.whisper.model.encoder(short[..., :51], merge_stride=MERGE_STRIDE)
    assert torch.equal(logits(0), cut) and torch.equal(logits(MERGE_STRIDE), thinned)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_gradients_are_those_of_30_s(
    demo_model: Path, heard: tuple[torch.Tensor, torch.Tensor, int], attention: str
) -> None:
    model: Any = FlexibleWhisper.from_pretrained(demo_model, attn_implementation=attention).eval()
    full, short = heard[0][:1], heard[1][:1]
    ids = torch.randint(1000, (1, 8), generator=torch.Generator().manual_seed(0))

    def gradients(features: torch.Tensor, stride: int) -> torch.Tensor:
        model.zero_grad()
        given = {"input_features": features, "decoder_input_ids": ids, "merge_stride": stride}
        model(**given, loss_labels=ids).token_loss_sum.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    expected = gradients(full, 0)

    def likeness(stride: int) -> float:
        return torch.cosine_similarity(gradients(short, stride), expected, dim=0).item()

    assert likeness(MERGE_STRIDE) > 0.9999
    assert likeness(0) < 0.98
    assert likeness(2) > 0.9999
