"""Training runs and results as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.data_files import parse_json
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.json_fields import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2933", "#66727f", "#e4e8ec"
# Told apart in every common form of colour blindness (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
BEFORE_COLOUR = "#b8c2cc"
PANEL_INCHES = (5.2, 3.5)

Bars = Mapping[str, Mapping[str, float]]
"""Test set -> model -> rate, in the order in which they are drawn."""


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """Read a run's metrics.jsonl.

    Returns:
        One dict for each log event, in the order of the file.

    Raises:
        UserError: The file is missing, or a line is no JSON object (its number is named).
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such metrics file", "A training run writes it.")
    events = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            events.append(_event(parse_json(line.decode("utf-8"))))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}, line {number}: {error}", "The file is damaged.") from error
    return events


def _event(value: Any) -> dict[str, Any]:
    """A log event, of which every value is a number."""
    if type(value) is not dict:
        raise ValueError(f"it holds {shown(value)}; expected a JSON object")
    for name, number in value.items():
        if type(number) not in (int, float) or not abs(number) < 1e300:
            raise ValueError(f"{name} is {shown(number)}; expected a number")
    return value


def draw_curves(
    runs: Mapping[str, str | Path], picture: str | Path, *, bars: Bars | None = None
) -> None:
    """Draw loss, learning rate and dev error of training runs, and rates before and after.

    Args:
        runs: Name -> metrics.jsonl.
        picture: The PNG to write, whole or not at all.
        bars: Rates to draw beside the curves, such as {"zh CER": {"base": .52, "tuned": .09}}.

    Raises:
        UserError: A metrics file is missing or damaged.
    """
    events = {name: read_metrics(path) for name, path in runs.items()}
    figure, panels = new_figure(*((2, 2) if bars else (1, 3)))
    axes = panels.flat
    _draw_loss(axes[0], events)
    _draw_learning_rate(axes[1], events)
    _draw_error(axes[2], events)
    if bars:
        _draw_bars(axes[3], bars)
    save_figure(figure, picture)


def new_figure(rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure of so many panels, and its axes (an array if there are several)."""
    # Imported here: it takes a second, and a server has no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    size = (PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def save_figure(figure: Figure, picture: str | Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with atomic_write(picture, "wb") as handle:
        figure.savefig(handle, format="png", dpi=150, facecolor="white")


def _draw_loss(axes: Axes, runs: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    for (name, events), colour in zip(runs.items(), _colours(len(runs)), strict=True):
        label = f"{name} " if len(runs) > 1 else ""
        _line(axes, events, "loss", colour, f"{label}train")
        _line(axes, events, "dev_loss", colour, f"{label}dev", dashed=True)
    _finish(axes, "Loss", "nats per token")
    axes.set_ylim(bottom=0)


def _draw_learning_rate(axes: Axes, runs: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    for number, (name, events) in enumerate(runs.items()):
        colour = COLOURS[number % len(COLOURS)]
        # Runs often share a schedule: the first one shows on both sides of those over it.
        width = 2 + 1.5 * (len(runs) - 1 - number)
        _line(axes, events, "learning_rate", colour, name if len(runs) > 1 else "", width=width)
    _finish(axes, "Learning rate", "")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylim(bottom=0)


def _draw_error(axes: Axes, runs: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    for (name, events), colour in zip(runs.items(), _colours(len(runs)), strict=True):
        for metric, dashed in (("cer", False), ("wer", len(runs) == 1)):
            label = f"{name} {metric.upper()}" if len(runs) > 1 else metric.upper()
            _line(axes, events, f"dev_{metric}", colour, label, dashed=dashed, scale=100, dots=True)
            _interval_band(axes, events, f"dev_{metric}", colour)
            _mark_best(axes, events, f"dev_{metric}", colour)
    _finish(axes, "Error rate on the dev set, 95 % interval", "%")
    axes.set_ylim(bottom=0)


def _line(
    axes: Axes,
    events: Sequence[dict[str, Any]],
    name: str,
    colour: str,
    label: str,
    *,
    dashed: bool = False,
    scale: float = 1.0,
    dots: bool = False,
    width: float = 2.0,
) -> None:
    """Draw one value over the steps at which it was logged, if it ever was."""
    steps, values = _series(events, name)
    if not steps:
        return
    axes.plot(
        steps,
        [scale * value for value in values],
        color=colour,
        label=label or None,
        linewidth=width,
        linestyle=(0, (4, 2)) if dashed else "-",
        # A single value would be an invisible line.
        marker="o" if dots or len(steps) == 1 else None,
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=1,
    )


def _series(events: Sequence[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:
    """Return the steps at which a value was logged, and the values."""
    logged = [e for e in events if e.get(name) is not None and e.get("step") is not None]
    return [e["step"] for e in logged], [e[name] for e in logged]


def _interval_band(axes: Axes, events: Sequence[dict[str, Any]], name: str, colour: str) -> None:
    """Shade the 95 % interval of the dev set around its rates."""
    ends = (f"{name}_low", f"{name}_high")
    known = [e for e in events if all(each in e for each in ("step", *ends))]
    if known:
        low, high = ([100 * e[end] for e in known] for end in ends)
        steps = [e["step"] for e in known]
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)


def _mark_best(axes: Axes, events: Sequence[dict[str, Any]], name: str, colour: str) -> None:
    """Mark the lowest rate, which is the best checkpoint's: of equals the first."""
    steps, values = _series(events, name)
    if steps:
        best = min(range(len(values)), key=lambda place: values[place])
        at = (steps[best], 100 * values[best])
        axes.plot(*at, marker="*", markersize=14, color=colour, markeredgecolor=INK, linestyle="")
        axes.annotate(
            f"best {100 * values[best]:.1f}",
            at,
            xytext=(0, 10),
            textcoords="offset points",
            ha="center",
            color=colour,
            fontsize=10,
            fontweight="bold",
        )


def _draw_bars(axes: Axes, bars: Bars) -> None:
    """Draw the rates of each test set side by side, one colour a model."""
    models = list(dict.fromkeys(model for rates in bars.values() for model in rates))
    before = (BEFORE_COLOUR,) if len(models) > 1 else ()
    colours = (*before, *_colours(len(models)))[: len(models)]
    width = 0.8 / max(len(models), 1)
    for number, (model, colour) in enumerate(zip(models, colours, strict=True)):
        places = [i + (number - (len(models) - 1) / 2) * width for i in range(len(bars))]
        heights = [100 * rates.get(model, float("nan")) for rates in bars.values()]
        drawn = axes.bar(places, heights, width * 0.92, color=colour, label=model)
        axes.bar_label(drawn, fmt="%.1f", padding=2, fontsize=10, color=INK)
    axes.set_xticks(range(len(bars)), list(bars))
    _finish(axes, "Error rate on the test set", "%", steps=False)
    axes.grid(visible=False, axis="x")
    axes.margins(y=0.25)  # room for the legend above the bars


def _finish(axes: Axes, title: str, unit: str, *, steps: bool = True) -> None:
    """Give a panel its title, units, grid and legend."""
    axes.set_title(f"{title} ({unit})" if unit else title, loc="left", color=INK, fontsize=11)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelsize=9, length=0)
    if steps:
        axes.set_xlabel("optimizer step", color=MUTED, fontsize=9)
        axes.locator_params(axis="x", integer=True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    elif not axes.has_data():
        axes.text(0.5, 0.5, "not logged", transform=axes.transAxes, ha="center", color=MUTED)


def _colours(count: int) -> tuple[str, ...]:
    """Return as many colours as there are lines, over again when they run out."""
    return tuple(COLOURS[i % len(COLOURS)] for i in range(max(count, 1)))
