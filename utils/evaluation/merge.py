"""Adapters to one plain model: merged, averaged, and interpolated with the base (WiSE-FT)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.evaluation.alpha_sweep import Point, best_alpha, sweep
from utils.model.adapters.interpolation import between, soup, weights_of
from utils.model.adapters.merging import merge_adapter
from utils.model.folders import read_base_path
from utils.model.load import load_model
from utils.model.loaded import LoadedModel


def merge_all(paths: Sequence[str], *, local_files_only: bool = False) -> LoadedModel:
    """Merge each adapter into its base; of several, take the average.

    Raises:
        UserError: if one is no adapter, or they have different bases.
    """
    merged = []
    for path in paths:
        read_base_path(Path(path))  # says that there is no adapter before a model is loaded
        adapted = load_model(path, local_files_only=local_files_only)
        merged.append(merge_adapter(adapted))
    return soup(merged) if len(merged) > 1 else merged[0]


@dataclass(frozen=True)
class Interpolated:
    """A model between its base and what was tuned, and the scores that chose it.

    Attributes:
        loaded: the model, with its new weights.
        alpha: 0 is the base, 1 the tuned model.
        points: what each alpha scored; empty where only one was asked for.
    """

    loaded: LoadedModel
    alpha: float
    points: tuple[Point, ...] = ()


def interpolate(
    merged: LoadedModel,
    alphas: Sequence[float],
    data: tuple[str, str] | None,
    *,
    local_files_only: bool = False,
) -> Interpolated:
    """Interpolate a merged model with its base.

    Args:
        merged: changed in place.
        alphas: the weight of the tuned model; the best of several is chosen.
        data: manifests of what was learned and of what is not to be forgotten; None takes the
            only alpha.
        local_files_only: whether the base must be on this machine.

    Raises:
        UserError: if a manifest cannot be read.
    """
    base = load_model(merged.base_path, local_files_only=local_files_only)
    tuned, alpha = weights_of(merged), alphas[0]
    points: tuple[Point, ...] = ()
    if data is not None:
        points = tuple(sweep(base, merged, alphas, *data))
        alpha = best_alpha(points)
    merged.model.load_state_dict(between(weights_of(base), tuned, alpha))
    return Interpolated(merged, alpha, points)
