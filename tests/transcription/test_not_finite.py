"""Logits that are no numbers end the decoding at once, greedy, sampled or with beams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from utils.cli.errors import UserError
from utils.transcription.engines.registry import Search
from utils.transcription.engines.transformers import open_engine


@pytest.mark.parametrize(
    "change", [{}, {"temperature": 1.0}, {"num_beams": 2}], ids=["greedy", "sampled", "beams"]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_named(
    tiny_model: Path, change: dict[str, float], value: float
) -> None:
    engine = open_engine(str(tiny_model))
    states = engine.encode(torch.zeros(1, engine.num_mel_bins, 100))
    prompt = torch.tensor([[engine.tokens.start]])
    search = replace(Search(max_new_tokens=3), **change)
    engine.generate(states, prompt, search)
    with torch.no_grad():  # one number of the last layer is enough
        engine.whisper.model.decoder.layer_norm.bias[0] = value
    with pytest.raises(UserError, match="logits are not finite"):
        engine.generate(states, prompt, search)
