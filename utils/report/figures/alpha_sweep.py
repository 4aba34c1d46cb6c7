"""What a sweep over alpha scored, as a picture and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.evaluation.alpha_sweep import Point, write_sweep
from utils.evaluation.merge import Interpolated
from utils.report.figures.curves import COLOURS, MUTED, new_figure, save_figure


def draw_sweep(points: Sequence[Point], chosen: float, path: Path) -> None:
    """Draw both error rates over alpha, and the alpha that was chosen.

    Args:
        points: in the order of alpha.
        chosen: the alpha that was kept.
        path: the PNG to write.
    """
    figure, axes = new_figure()
    alphas = [point.alpha for point in points]
    for name, colour in zip(("target", "kept"), COLOURS, strict=False):
        rates = [100 * getattr(point, name) for point in points]
        axes.plot(alphas, rates, color=colour, label=name, marker="o", linewidth=2)
    axes.axvline(chosen, color=MUTED, linestyle=":", label=f"chosen: {chosen:g}")
    axes.set_title("Error rate (%) between base (0) and tuned model (1)", loc="left", fontsize=11)
    axes.set_xlabel("alpha")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    save_figure(figure, path)


def write_alphas(found: Interpolated, target: Path) -> list[Path]:
    """Write what a sweep scored beside the model: `<name>-alpha.json` and `.png`.

    Args:
        found: the model and its scores; without scores nothing is written.
        target: the model's folder to be.

    Returns:
        The paths that were written.
    """
    if not found.points:
        return []
    target.parent.mkdir(parents=True, exist_ok=True)
    written = [target.with_name(f"{target.name}-alpha.{ending}") for ending in ("json", "png")]
    write_sweep(found.points, found.alpha, written[0])
    draw_sweep(found.points, found.alpha, written[1])
    return written
