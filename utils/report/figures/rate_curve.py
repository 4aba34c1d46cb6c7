"""The loss over the learning rate, as the search for one left it."""

from __future__ import annotations

import json
from pathlib import Path

from utils.cli.console import is_main_process, say_result
from utils.report.figures.curves import COLOURS, MUTED, new_figure, save_figure


def draw_rate_curve(run: Path) -> None:
    """Draw `learning_rate.json` of a run's folder as `learning_rate.png`, on the main process."""
    if not is_main_process():
        return
    found = json.loads((run / "learning_rate.json").read_text(encoding="utf-8"))
    rates = [point["learning_rate"] for point in found["points"]]
    figure, axes = new_figure()
    for name, width in (("loss", 1.0), ("smoothed", 2.0)):
        values = [point[name] for point in found["points"]]
        colour = MUTED if name == "loss" else COLOURS[0]
        axes.plot(rates, values, color=colour, linewidth=width, label=name)
    if found["suggestion"] is not None:
        label = f"suggestion: {found['suggestion']:.1e}"
        axes.axvline(found["suggestion"], color=COLOURS[1], linestyle=":", label=label)
    axes.set_xscale("log")
    axes.set_title("Loss (nats a token) after a step at each rate", loc="left", fontsize=11)
    axes.set_xlabel("learning rate")
    axes.legend(frameon=False)
    save_figure(figure, run / "learning_rate.png")
    say_result(f"curve        {run / 'learning_rate.png'}")
