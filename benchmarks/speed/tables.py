"""The tables of speed in docs/, from what was measured."""

from __future__ import annotations

from statistics import median
from typing import Any

from utils.report.tables import markdown_table


def recipe_table(found: dict[str, Any]) -> str:
    """Stock recipe and ours by mean length: Markdown, a row for each case and audio context.

    Args:
        found: content of `benchmarks/results/train_speed.json`.
    """
    rows = []
    for case in found["training"]:
        stock = median(case["examples"] / each["training"] for each in case["seconds"]["stock"])
        for context, ratios in case["stock_over_ours"].items():
            rounds = case["seconds"][context]
            ours = median(case["examples"] / each["training"] for each in rounds)
            row = [f"{case['mean_seconds']:g} s", str(case["batch_size"]), str(case["examples"])]
            row += [f"{stock:.2f}", context, f"{ours:.2f}", str(rounds[0]["steps"])]
            rows.append([*row, _times(ratios["training"]), _times(ratios["with_setup"])])
    header = ["mean clip", "batch", "examples", "stock, examples/s", "audio context"]
    header += ["ours, examples/s", "steps", "times as fast", "with set-up"]
    return markdown_table(header, rows, words=0)


def growth_table(found: dict[str, Any]) -> str:
    """Set-up and step time by number of utterances: Markdown, a row for each number.

    Of several rounds and steps the quickest is shown, which other work on the machine, if there was
    any, disturbed least.

    Args:
        found: content of `benchmarks/results/train_speed.json`.
    """
    rows = []
    for size in found["growth"]:
        parts = [min(each[name] for each in size["rounds"]) for name in _SET_UP]
        step = min(min(each["steps"]) for each in size["rounds"])
        rows.append([f"{size['utterances']:,}", *(f"{part:.2f}" for part in parts), f"{step:.2f}"])
    header = ["utterances", "read, s", "labels and lengths, s", "steps of a pass, s", "a step, s"]
    return markdown_table(header, rows, words=0)


def engine_table(found: dict[str, Any]) -> str:
    """Every engine on every model: Markdown, speed as ratios and texts as counts.

    Args:
        found: content of `benchmarks/results/engines.json`.
    """
    rows = [
        [
            model,
            engine,
            _times(result["stock_pipeline_over_this"]),
            _times(result["faster_whisper_float32_over_this"]),
            result["text_equal_to_stock_pipeline"],
            result["text_equal_to_faster_whisper_float32"],
        ]
        for model, engines in found["models"].items()
        for engine, result in engines.items()
    ]
    header = ["model", "engine", "times the stock pipeline", "times faster-whisper float32"]
    return markdown_table([*header, "text as the pipeline's", "as faster-whisper's"], rows, words=2)


_SET_UP = ("read", "table", "layout")


def _times(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.1f} ({ratio['minimum']:.1f} to {ratio['maximum']:.1f})"
