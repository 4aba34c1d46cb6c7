"""Which layers of a Whisper an adapter sits on, by name or pattern."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Literal

from torch import nn

from utils.cli.errors import UserError
from utils.cli.spelling import nearest

LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
"""Every linear layer of a Whisper block; adapting all of them beats the attention alone."""
ALL_LINEAR = "all-linear"

Parts = Literal["both", "encoder", "decoder"]


def choose_targets(model: Any, targets: str, parts: Parts) -> list[str]:
    """Full names of the layers that are adapted, in the order of the model.

    Args:
        model: FlexibleWhisper without an adapter.
        targets: "all-linear", or names and patterns with commas between them: `q_proj`,
            `decoder.layers.0.fc1`, `encoder_attn.*`, `layers.[01].*`.
        parts: the half of the model that is looked at.

    Raises:
        UserError: if a name or pattern fits no linear layer there; the nearest name is given.
    """
    layers = [
        name
        for name, module in model.model.named_modules(prefix="model")
        if isinstance(module, nn.Linear) and (parts == "both" or f".{parts}." in name)
    ]
    if targets == ALL_LINEAR:
        return layers
    chosen: set[str] = set()
    for pattern in (part.strip() for part in targets.split(",")):
        found = match_layers(pattern, layers)
        if not found:
            where = "the model" if parts == "both" else f"its {parts}"
            hint = nearest(pattern, dict.fromkeys([*LINEAR_LAYERS, ALL_LINEAR]), "")
            raise UserError(
                f"--lora_targets={targets}: no linear layer of {where} is called {pattern!r}",
                f"{hint} There are: {', '.join(LINEAR_LAYERS)}.".strip(),
            )
        chosen.update(found)
    return [name for name in layers if name in chosen]


def match_layers(pattern: str, layers: list[str]) -> list[str]:
    """Layers whose name, or the last parts of it, fits a pattern with `*`, `?` and `[...]`.

    Args:
        pattern: such as `fc1` or `encoder.layers.0.*`.
        layers: full names with dots.
    """
    return [
        name
        for name in layers
        if pattern and (fnmatchcase(name, pattern) or fnmatchcase(name, f"*.{pattern}"))
    ]


def read_rank_pattern(text: str | None, layers: list[str]) -> dict[str, int]:
    """Ranks of single layers: "fc1=64,encoder.layers.0.*=8" -> {full name: rank}.

    Args:
        text: names or patterns with their ranks; later ones win. None for none.
        layers: full names of the layers that are adapted.

    Raises:
        UserError: if an entry is no `name=rank`, or its name fits no adapted layer.
    """
    ranks: dict[str, int] = {}
    for entry in (text or "").split(",") if text else ():
        name, _, rank = entry.strip().rpartition("=")
        if not name or not rank.isdigit() or int(rank) < 1:
            raise UserError(
                f"--rank_pattern={text}: {entry.strip()!r} is no name with a rank",
                "For example --rank_pattern=fc1=64,encoder.layers.0.*=8",
            )
        found = match_layers(name, layers)
        if not found:
            raise UserError(
                f"--rank_pattern={text}: no adapted layer is called {name!r}",
                nearest(name, LINEAR_LAYERS, "") or f"There are: {', '.join(LINEAR_LAYERS)}",
            )
        ranks.update(dict.fromkeys(found, int(rank)))
    return ranks
