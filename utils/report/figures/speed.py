"""What transcribing cost, in words and as a picture of accuracy against speed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.cli.files import atomic_write
from utils.evaluation.results import Results, set_of
from utils.report.figures.curves import COLOURS, GRID, INK, MUTED
from utils.report.tables import NOTHING

COST_HEADER = (
    "model",
    "test set",
    "RTFx",
    "tokens/s",
    "time of",
    "p50",
    "p90",
    "p99",
    "model's memory",
    "measured",
    "from the cache",
)
COST_NOTE = (
    "From samples to text, after a warm-up. RTFx is seconds of sound a second. p50 is the time "
    "within which half of the batches (or of the utterances, where each was decoded alone) were "
    "done; a percentile is left out where there are too few for it. A model's memory is the peak "
    "above the level before it was loaded. What came from the cache was not measured."
)
_MARKERS = "os^Dvp"
_MEBI = 1 << 20


def cost_rows(scores: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return the cells under `COST_HEADER`, for the scores whose models were run."""
    return [_cost_row(score) for score in scores if score.get("cost")]


def _cost_row(score: dict[str, Any]) -> list[str]:
    cost = score["cost"]
    times = cost.get("batch_seconds") or cost["latency_seconds"]
    latency = [times.get(name) for name in ("p50", "p90", "p99")]
    # Older results know the peak alone.
    memory = cost.get("model_memory_bytes", cost["peak_memory_bytes"])
    factor, size = cost["real_time_factor"], cost.get("batch_size")
    speed = cost["tokens_per_second"]
    return [
        score["model"],
        set_of(score),
        _three_digits(1 / factor) if factor else NOTHING,
        _three_digits(speed) if speed else NOTHING,
        NOTHING if not size else "an utterance" if size == 1 else f"a batch of {size}",
        *(NOTHING if seconds is None else f"{seconds:.2f} s" for seconds in latency),
        NOTHING if memory is None else f"{memory / _MEBI:.0f} MiB",
        str(cost["utterances"]),
        str(cost["cached_utterances"]),
    ]


def describe_cost(scores: Sequence[dict[str, Any]]) -> list[str]:
    """Say what the figures were measured on, once for scores that share it."""
    lines: dict[str, None] = {}
    for score in scores:
        cost = score.get("cost") or {}
        if cost.get("device"):
            processes = "1 process" if cost["processes"] == 1 else f"{cost['processes']} processes"
            threads = "1 thread" if cost["threads"] == 1 else f"{cost['threads']} threads each"
            times = "once" if cost["repeats"] == 1 else f"{cost['repeats']} times"
            lines[
                f"Measured {times} on {cost['device']}, {processes} of {threads}, "
                f"{cost['libraries']}."
            ] = None
    return list(lines)


def _three_digits(value: float) -> str:
    """Return a speed with what its size allows, never as 0: 0.43, 12.3, 1234.

    Example:
        >>> _three_digits(0.004312), _three_digits(0.43), _three_digits(12.34), _three_digits(1234)
        ('0.0043', '0.43', '12.3', '1234')
    """
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def draw_speed(results: Results, picture: Path) -> bool:
    """Draw each model's error rate against its speed, one mark a test set.

    Args:
        results: As `build_results` returns.
        picture: The PNG to write, whole or not at all.

    Returns:
        Whether there was anything to draw: what came from the cache has no speed.
    """
    points = [
        score
        for score in results["scores"]
        if score["rate"] is not None and (score.get("cost") or {}).get("real_time_factor")
    ]
    if not points:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    models = list(dict.fromkeys(score["model"] for score in points))
    sets = list(dict.fromkeys(set_of(score) for score in points))
    for score in points:
        x, y = 1 / score["cost"]["real_time_factor"], 100 * score["rate"]
        axes.plot(
            x,
            y,
            linestyle="",
            marker=_MARKERS[sets.index(set_of(score)) % len(_MARKERS)],
            markersize=9,
            color=COLOURS[models.index(score["model"]) % len(COLOURS)],
        )
        axes.annotate(
            f"{score['model']}, {set_of(score)}" if len(sets) > 1 else score["model"],
            (x, y),
            xytext=(8, 6),
            textcoords="offset points",
            fontsize=9,
            color=INK,
        )
    axes.set_title(
        "Error rate against speed (right and down is better)", loc="left", color=INK, fontsize=11
    )
    axes.set_xlabel("seconds of sound transcribed in a second", color=MUTED)
    metrics = sorted({score["metric"].upper() for score in points})
    axes.set_ylabel(f"{' or '.join(metrics)} (%)", color=MUTED)
    # From zero, so that twice as far is twice as fast, and with room for the names.
    axes.set_xlim(0, 1.35 * max(1 / score["cost"]["real_time_factor"] for score in points))
    axes.set_ylim(0, 1.15 * max(100 * score["rate"] for score in points) or 1)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=MUTED, labelsize=9)
    with atomic_write(picture, "wb") as handle:
        canvas.print_figure(handle, format="png", dpi=150, facecolor="white")
    return True
