"""Interpolation of a tuned model with its base (WiSE-FT): each alpha scored, the best kept.

Wortsman et al., "Robust fine-tuning of zero-shot models", 2022 (arXiv 2109.01903).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.cli.console import say
from utils.cli.files import atomic_write
from utils.manifest.read import read_manifest
from utils.model.adapters.interpolation import between, weights_of
from utils.model.loaded import LoadedModel
from utils.transcription.decoding import Decoding
from utils.transcription.score import score_of


@dataclass(frozen=True)
class Point:
    """What one alpha scores.

    Attributes:
        alpha: 0 is the base, 1 the tuned model.
        target: error rate on what was learned.
        kept: error rate on what is not to be forgotten.
        target_metric: what the first counts.
        kept_metric: what the second counts.
    """

    alpha: float
    target: float
    kept: float
    target_metric: str = "cer"
    kept_metric: str = "cer"


def sweep(
    base: LoadedModel, tuned: LoadedModel, alphas: Sequence[float], target: str, kept: str
) -> list[Point]:
    """Score a tuned model at several distances from its base.

    Args:
        base: the base model.
        tuned: the tuned one, plain; it holds the last of the weights afterwards.
        alphas: to be scored.
        target: manifest of what was learned.
        kept: manifest of what is not to be forgotten.

    Raises:
        UserError: if a manifest cannot be read or the models are not of one kind.
    """
    sets = [list(read_manifest(path).utterances) for path in (target, kept)]
    old, new = weights_of(base), weights_of(tuned)
    points = []
    for alpha in alphas:
        tuned.model.load_state_dict(between(old, new, alpha))
        scores = [score_of(tuned, utterances, Decoding()) for utterances in sets]
        (target_rate, kept_rate), metrics = (
            [each.counts.rank for each in scores],
            [each.metric for each in scores],
        )
        points.append(Point(alpha, target_rate, kept_rate, *metrics))
        names = [metric.upper() for metric in metrics]
        say(
            f"alpha {alpha:<6g} target {names[0]} {target_rate:7.2%}   "
            f"kept {names[1]} {kept_rate:7.2%}"
        )
    tuned.model.load_state_dict(new)
    return points


def best_alpha(points: Sequence[Point]) -> float:
    """The alpha that costs least over both sets; of equals the nearest to the tuned model.

    Both sets count the same, whatever their size. Two rates of one metric are averaged (a macro
    average); a CER and a WER have no mean, and each is taken relative to its highest in the sweep.
    """
    worst = [max(rates) or 1.0 for rates in zip(*((p.target, p.kept) for p in points), strict=True)]
    same = all(point.target_metric == point.kept_metric for point in points)
    scale = [1.0, 1.0] if same else worst

    def cost(point: Point) -> float:
        return point.target / scale[0] + point.kept / scale[1]

    return min(points, key=lambda point: (cost(point), -point.alpha)).alpha


def write_sweep(points: Sequence[Point], chosen: float, path: Path) -> None:
    """Write the scores of all alphas and the chosen one as JSON.

    Args:
        points: in the order of alpha.
        chosen: the alpha that was kept.
        path: of the file.
    """
    with atomic_write(path) as file:
        content = {"schema": 1, "chosen": chosen, "points": [asdict(point) for point in points]}
        file.write(json.dumps(content, indent=2) + "\n")
