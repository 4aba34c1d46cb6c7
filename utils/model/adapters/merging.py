"""An adapter and its base become one plain Whisper."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from utils.cli.errors import Failure, UserError
from utils.model.loaded import LoadedModel

LOGIT_TOLERANCE = 1e-3  # float32 rounding of W + BA against Wx + BAx stays far below


def merge_adapter(loaded: LoadedModel) -> LoadedModel:
    """Add an adapter's update to the weights it sits on.

    Args:
        loaded: an adapter on its base, in float32; its modules are changed in place.

    Returns:
        A plain FlexibleWhisper whose logits equal those of the adapted model.

    Raises:
        UserError: if `loaded` is no adapter.
        Failure: if the merged model answers otherwise than the adapted one.
    """
    if not loaded.is_adapter:
        raise UserError(
            f"{loaded.path} is a whole model, not an adapter; there is nothing to merge",
            "Use it as it is.",
        )
    before = _probe(loaded.whisper, loaded.model)
    merged = loaded.model.merge_and_unload()
    difference = float((_probe(merged, merged) - before).abs().max())
    if not difference < LOGIT_TOLERANCE:
        raise Failure(
            f"the merged model's logits differ by {difference:.2g} from the adapted model's "
            f"(at most {LOGIT_TOLERANCE:g} is rounding)",
            "Nothing was written. Please report this with the adapter's adapter_config.json.",
        )
    # A flag that peft leaves behind would make save_pretrained look for adapters.
    merged._hf_peft_config_loaded = False
    return replace(loaded, model=merged, path=loaded.base_path)


@torch.no_grad()
def _probe(whisper: Any, model: Any) -> torch.Tensor:
    """Logits on a second of fixed noise, float32 `(1, 4, vocabulary)`."""
    config = whisper.config
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(1, config.num_mel_bins, 100, generator=generator)
    start = torch.full((1, 4), config.decoder_start_token_id)
    device = whisper.device
    logits: torch.Tensor = model(
        input_features=features.to(device), decoder_input_ids=start.to(device)
    ).logits
    return logits.float().cpu()
