"""A model folder is as it was written, and its weights are numbers: held wherever one is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from utils.cli.errors import UserError
from utils.model.checksums import CHECKSUMS, find_damage


def expect_undamaged(path: str) -> None:
    """Compare a folder with the checksums that were written when it was finished.

    Args:
        path: of a model or adapter; one without checksums, and a name on the hub, pass.

    Raises:
        UserError: naming the file that is not as it was.
    """
    folder = Path(path)
    if not (folder / CHECKSUMS).is_file():
        return
    damage = find_damage(folder)
    if damage is not None:
        raise UserError(
            f"{path} is damaged: {damage}",
            "Copy it again from where it was made, or make it again. Was it changed on purpose? "
            f"Then remove {folder / CHECKSUMS}.",
        )


def expect_finite_logits(logits: torch.Tensor) -> None:
    """See that a model's answer is numbers: the likeliest of NaN is a token like any other.

    Args:
        logits: float `(B, V)`; -inf stands for what is suppressed.

    Raises:
        UserError: one is NaN or +inf.
    """
    # The largest is NaN where any is; no other pass over the vocabulary is needed.
    if not bool((logits.amax(-1) < float("inf")).all()):
        raise UserError(
            "the model's logits are not finite (NaN or infinite); no text can come of them",
            "The training that made it went wrong: take an earlier checkpoint, or lower "
            "--learning_rate. In float16 its numbers may be too large: try another precision.",
        )


def expect_finite(path: str, model: Any) -> None:
    """See that all weights are numbers: one NaN makes every text of the model empty or nonsense.

    Args:
        path: that the model was loaded from.
        model: with its weights loaded.

    Raises:
        UserError: naming the first weight that is not finite.
    """
    for name, weight in model.named_parameters():
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            bad = int((~torch.isfinite(weight)).sum())
            raise UserError(
                f"{path}: {bad} of {weight.numel()} numbers of the weight {name} are not finite "
                "(NaN or infinite)",
                "The training that made it went wrong, or the file is damaged. Take an earlier "
                "checkpoint, or lower --learning_rate.",
            )
