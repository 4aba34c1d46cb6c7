"""How far a tuned model is drawn back towards its base: each way scored, and the best kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.cli.console import say
from utils.cli.files import atomic_write
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.interpolation import between, weights_of
from utils.model.load import LoadedModel
from utils.report.curves import COLOURS, new_figure, save_figure
from utils.transcription.decoding import Decoding
from utils.transcription.scored import score_of


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


def write_sweep(points: Sequence[Point], chosen: float, stem: Path) -> None:
    """Write `<stem>.json` and the curve `<stem>.png`.

    Args:
        points: in the order of alpha.
        chosen: the alpha that was kept.
        stem: path without a suffix.
    """
    with atomic_write(Path(f"{stem}.json")) as file:
        content = {"schema": 1, "chosen": chosen, "points": [asdict(point) for point in points]}
        file.write(json.dumps(content, indent=2) + "\n")
    figure, axes = new_figure()
    alphas = [point.alpha for point in points]
    for name, colour in zip(("target", "kept"), COLOURS, strict=False):
        rates = [100 * getattr(point, name) for point in points]
        axes.plot(alphas, rates, color=colour, label=name, marker="o", linewidth=2)
    axes.axvline(chosen, color="#66727f", linestyle=":", label=f"chosen: {chosen:g}")
    axes.set_title("Error rate (%) between base (0) and tuned model (1)", loc="left", fontsize=11)
    axes.set_xlabel("alpha")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    save_figure(figure, Path(f"{stem}.png"))
