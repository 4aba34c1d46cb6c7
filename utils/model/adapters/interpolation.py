"""Between models: interpolation of a tuned one with its base, and the average of several.

`theta0 + alpha (theta - theta0)` (WiSE-FT, arXiv 2109.01903) keeps most of what was learned for a
small part of what was forgotten; the average of runs from one base (model soups, arXiv 2203.05482)
is often better than each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch

from utils.cli.errors import UserError
from utils.model.loaded import LoadedModel

Weights = dict[str, torch.Tensor]


def weights_of(loaded: LoadedModel) -> Weights:
    """A copy of a plain Whisper's weights by name; what is tied stands under each of its names."""
    return {name: tensor.detach().clone() for name, tensor in loaded.model.state_dict().items()}


def between(base: Weights, tuned: Weights, alpha: float) -> Weights:
    """`base + alpha (tuned - base)`; embeddings that the base lacks stay as they were tuned.

    Args:
        base: of the base model.
        tuned: of the tuned one: the same names and shapes, but for rows of added tokens.
        alpha: 0 is the base, 1 the tuned model.

    Raises:
        UserError: if the two are not of one kind.
    """
    mixed: Weights = {}
    for name, new in tuned.items():
        old = base.get(name)
        if old is None or old.shape[1:] != new.shape[1:] or len(old) > len(new):
            found = "nothing" if old is None else list(old.shape)
            raise UserError(
                f"the models are not of one kind: {name} is {list(new.shape)} in one and {found} "
                "in the other",
                "Give the base model that the tuned one began with.",
            )
        mixed[name] = new.clone()
        shared = len(old) if old.ndim else 0
        if shared:
            mixed[name][:shared] = torch.lerp(old, new[:shared], alpha)
    return mixed


def soup(models: Sequence[LoadedModel]) -> LoadedModel:
    """The average of plain models of one kind, in the place of the first.

    Args:
        models: two or more, with the same tokens; the first is changed in place.

    Raises:
        UserError: if they come from different bases or have other shapes.
    """
    first = models[0]
    shapes = _shapes(first)
    for other in models[1:]:
        if other.base_path != first.base_path:
            raise UserError(
                f"only runs from one base model can be averaged: {first.path} began with "
                f"{first.base_path}, {other.path} with {other.base_path}",
                "Give runs with the same --base_model.",
            )
        if _shapes(other) != shapes:
            raise UserError(
                f"{other.path} and {first.path} have weights of other shapes",
                "Give runs with the same --base_model and --add_tokens.",
            )
    first.model.load_state_dict(average(weights_of(model) for model in models))
    return replace(first)


def average(several: Iterable[Weights]) -> Weights:
    """The mean of weights with the same names and shapes; only two of them are held at once."""
    mean: Weights = {}
    for number, weights in enumerate(several, start=1):
        mean = between(mean, weights, 1 / number) if mean else weights
    return mean


def _shapes(loaded: LoadedModel) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in loaded.model.state_dict().items()}
