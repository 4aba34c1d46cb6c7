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
from utils.manifest.utterance import Utterance
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
    """

    alpha: float
    target: float
    kept: float

    @property
    def mean(self) -> float:
        """What the choice is made by: both sets count the same, whatever their size."""
        return (self.target + self.kept) / 2


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
        rates = [error_rate(tuned, utterances) for utterances in sets]
        points.append(Point(alpha, *rates))
        say(f"alpha {alpha:<6g} target {rates[0]:7.2%}   kept {rates[1]:7.2%}")
    tuned.model.load_state_dict(new)
    return points


def best_alpha(points: Sequence[Point]) -> float:
    """The alpha with the lowest mean of both rates; of equals the nearest to the tuned model."""
    return min(points, key=lambda point: (point.mean, -point.alpha)).alpha


def error_rate(loaded: LoadedModel, utterances: list[Utterance]) -> float:
    """Corpus CER or WER of a model, by the language of the texts."""
    return float(score_of(loaded, utterances, Decoding()).rate or 0.0)


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
