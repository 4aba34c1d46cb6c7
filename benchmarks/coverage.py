"""How often the 95 % intervals hold the true rate, and the gate decides rightly.

    python benchmarks/coverage.py               # a quarter of an hour
    python benchmarks/coverage.py --sets=50     # a look

Test sets are drawn whose true rate is known: utterances of 3 to 20 words, whose errors come
together within an utterance (a beta distribution of its own rate) and within a speaker (the same,
by the coefficient of variation of the speakers' rates). A gate whose limit is the true rate itself
errs just where the interval misses it, which is the worst that a limit can be. Pairs of models that
are equally good, on the same utterances, show how often a difference is found where there is none.
Writes benchmarks/results/coverage.json.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from benchmarks.measured import REPOSITORY, machine, read_measured, write_measured
from utils.cli.console import say
from utils.cli.errors import run_script
from utils.cli.flags import parse_settings
from utils.cli.progress import progress
from utils.report.tables import markdown_table
from utils.scoring.blocks import FEWEST_BLOCKS
from utils.scoring.statistics import difference_of_sums, interval_of_sums

RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
UTTERANCES = (1, 2, 3, 5, 10, 20, 50, 100, 300, 1000, 3000)
WITHIN_UTTERANCES = (0.0, 0.1, 0.3)
SPEAKERS = ((20, 1), (20, 4), (20, 5), (50, 5), (300, 5), (300, 20), (1000, 50), (3000, 200))
VARIATIONS = (0.0, 0.5, 1.0)
SPREADS = ("even", "uneven")
WORDS = (3, 20)
# Correlation of the errors within an utterance, where speakers differ.
SPEAKERS_UTTERANCES = 0.05

Sums = NDArray[np.int64]


@dataclass(frozen=True)
class CoverageSettings:
    """How long it takes and where it goes."""

    sets: int = 600
    """Test sets drawn for each kind."""
    resamplings: int = 1000
    """Resamplings for each interval; an evaluation takes 10,000."""
    seed: int = 0
    """Of the random numbers."""
    output: str = "benchmarks/results/coverage.json"
    """File for the measurements."""
    table: bool = False
    """Print the table of docs/evaluation.md from --output; nothing is measured."""


@dataclass(frozen=True)
class Cell:
    """One kind of test set."""

    rate: float
    utterances: int
    within: float
    """Correlation of the errors in an utterance."""
    speakers: int = 0
    """0: unknown."""
    variation: float = 0.0
    """Standard deviation of the speakers' rates over their mean."""
    spread: str = "even"
    """Whether speakers say as much each, or the second half of the first, the third a third ..."""

    @property
    def decides(self) -> bool:
        """Whether a gate answers on such a set with anything but "inconclusive"."""
        return self.speakers >= FEWEST_BLOCKS if self.speakers else self.utterances > 1


def main(argv: Sequence[str] | None = None) -> None:
    """Draw every kind of test set, write the file, say the table."""
    settings = parse_settings(CoverageSettings, argv, prog="coverage.py", description=__doc__ or "")
    os.chdir(REPOSITORY)
    if not settings.table:
        generator = np.random.default_rng(settings.seed)
        cells = progress(list(kinds()), desc="kinds of test sets", unit="kind")
        found = {
            "schema": 1,
            "machine": machine(),
            "settings": asdict(settings),
            "cells": [{**asdict(cell), **cover(cell, settings, generator)} for cell in cells],
        }
        write_measured(settings.output, found)
    say(table(read_measured(settings.output)))


def kinds() -> Iterator[Cell]:
    """Every kind of test set."""
    for rate in RATES:
        for count, within in product(UTTERANCES, WITHIN_UTTERANCES):
            yield Cell(rate, count, within)
        for (count, speakers), variation, spread in product(SPEAKERS, VARIATIONS, SPREADS):
            yield Cell(rate, count, SPEAKERS_UTTERANCES, speakers, variation, spread)


def cover(cell: Cell, settings: CoverageSettings, generator: np.random.Generator) -> dict[str, Any]:
    """Count the intervals of one kind of test set that hold the truth.

    Returns:
        Whether a gate decides; the share of intervals that hold the rate, that lie below and
        above it, their mean width; the share of differences that hold 0.
    """
    if not cell.decides:
        return {"decides": False}
    below = above = apart = 0
    width = 0.0
    for number in range(settings.sets):
        one, other, tokens = draw(cell, generator)
        given = {"seed": number, "resamplings": settings.resamplings}
        interval = interval_of_sums(np.stack([one, tokens], 1), **given)
        assert interval is not None
        below += interval[1] < cell.rate
        above += interval[0] > cell.rate
        width += interval[1] - interval[0]
        difference = difference_of_sums(np.stack([one, other, tokens], 1), **given)
        apart += difference.p_value is not None and difference.p_value < 0.05
    count = settings.sets
    return {
        "decides": True,
        "coverage": 1 - (below + above) / count,
        "too_low": below / count,
        "too_high": above / count,
        "width": width / count,
        "no_difference": 1 - apart / count,
    }


def draw(cell: Cell, generator: np.random.Generator) -> tuple[Sums, Sums, Sums]:
    """Draw a test set, heard by two models of the same rate.

    Returns:
        Errors of the one and of the other, and words, of each block: int64 `(blocks,)`.
    """
    words = generator.integers(WORDS[0], WORDS[1] + 1, cell.utterances)
    rates = np.full(cell.utterances, cell.rate)
    block_of = np.arange(cell.utterances)
    if cell.speakers:
        shares = 1 / np.arange(1, cell.speakers + 1)
        # Each speaks once at least; the others are dealt evenly, or by the shares.
        rest = generator.choice(
            cell.speakers, cell.utterances - cell.speakers, p=shares / shares.sum()
        )
        dealt = np.concatenate([np.arange(cell.speakers), rest])
        block_of = dealt if cell.spread == "uneven" else block_of % cell.speakers
        correlation = cell.variation**2 * cell.rate / (1 - cell.rate)
        rates = beta(np.full(cell.speakers, cell.rate), correlation, generator)[block_of]
    rates = beta(rates, cell.within, generator)
    errors = [generator.binomial(words, rates) for _ in range(2)]
    one, other, tokens = (
        np.bincount(block_of, column).astype(np.int64) for column in (*errors, words)
    )
    return one, other, tokens


def beta(
    means: NDArray[np.float64], correlation: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Draw rates of these means, whose errors have this correlation."""
    if not correlation:
        return means
    size = 1 / correlation - 1
    tiny = 1e-9
    drawn = generator.beta(np.maximum(means * size, tiny), np.maximum((1 - means) * size, tiny))
    return np.asarray(drawn)


def table(found: dict[str, Any]) -> str:
    """Return the share of intervals that hold the truth, a row for each size of test set."""
    rows = [_row(cells) for cells in _by_size(found["cells"])]
    header = ["test set", "gate", *(f"{rate:.1%}" for rate in RATES), "lowest", "no difference"]
    return markdown_table(header, rows, words=2)


def _by_size(cells: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    sizes: dict[tuple[int, int, str], list[dict[str, Any]]] = {}
    for cell in cells:
        sizes.setdefault((cell["speakers"], cell["utterances"], cell["spread"]), []).append(cell)
    return [sizes[size] for size in sorted(sizes)]


def _row(cells: Sequence[dict[str, Any]]) -> list[str]:
    """Means over the correlations for each rate, and the lowest of all."""
    first = cells[0]
    name = f"{first['utterances']:,} utterances"
    if first["speakers"]:
        name += f", {first['speakers']} speakers, {first['spread']}"
    if not first["decides"]:
        return [name, "always inconclusive", *["" for _ in RATES], "", ""]
    means = [
        np.mean([cell["coverage"] for cell in cells if cell["rate"] == rate]) for rate in RATES
    ]
    lowest = min(cell["coverage"] for cell in cells)
    null = np.mean([cell["no_difference"] for cell in cells])
    return [name, "decides", *(f"{mean:.1%}" for mean in means), f"{lowest:.1%}", f"{null:.1%}"]


if __name__ == "__main__":
    sys.exit(run_script(main))
