"""Adapters to one plain model: merged, averaged, and drawn back towards the base."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.cli.console import say
from utils.model.folders import read_base_path
from utils.model.interpolation import between, soup, weights_of
from utils.model.load import LoadedModel, load_model
from utils.model.merging import merge_adapter
from utils.report.alpha_sweep import best_alpha, sweep, write_sweep


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


def draw_back(
    merged: LoadedModel, alphas: Sequence[float], data: tuple[str, str] | None, target: Path
) -> LoadedModel:
    """Draw a merged model back towards its base.

    Args:
        merged: changed in place.
        alphas: how far it may stay from the base; the best of several is chosen.
        data: manifests of what was learned and of what is not to be forgotten; None takes the
            only alpha.
        target: the model's folder to be; the curve goes beside it, as `<name>-alpha.json`, `.png`.

    Raises:
        UserError: if a manifest cannot be read.
    """
    base = load_model(merged.base_path)
    tuned, alpha = weights_of(merged), alphas[0]
    if data is not None:
        points = sweep(base, merged, alphas, *data)
        alpha = best_alpha(points)
        stem = target.with_name(f"{target.name}-alpha")
        stem.parent.mkdir(parents=True, exist_ok=True)
        write_sweep(points, alpha, stem)
        say(f"curve  {stem}.png: the best alpha is {alpha:g}")
    merged.model.load_state_dict(between(weights_of(base), tuned, alpha))
    return merged
