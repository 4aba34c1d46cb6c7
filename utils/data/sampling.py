"""How often a table shows what: clips joined, and groups of unequal size made more equal."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Literal

import numpy as np

from utils.cli.files import scratch_folder
from utils.data.concat import group_rows, joined_line
from utils.data.dataset import TrainingTable
from utils.data.labels import LabelEncoder
from utils.data.table import Row, RowFile, open_rows

By = Literal["language", "source"]


def join_clips(
    table: TrainingTable, encoder: LabelEncoder, longest: float, seed: int
) -> TrainingTable:
    """A table whose rows are clips joined to at most `longest` seconds.

    Which clip goes with which is chosen with all of them in memory.

    Args:
        table: single clips.
        encoder: counts the tokens of what is joined.
        longest: seconds, at most 30.
        seed: of what is joined with what.
    """
    utterances = table.utterances
    limits = (longest, encoder.max_tokens)
    groups = group_rows(utterances, table.durations, table.num_tokens, limits, seed)
    whole = (joined_line([utterances[row] for row in group]) for group in groups)
    seconds = table.durations
    folder = scratch_folder("tables")
    with RowFile(folder, encoder) as file:
        for group, each in zip(groups, whole, strict=True):
            length = float(sum(seconds[row] for row in group))
            file.add(Row.of(each, length, encoder.encode(each)))
    return TrainingTable(open_rows([folder]), table.dropped)


def balance(
    table: TrainingTable, temperature: float, by: By, default_language: str | None, seed: int
) -> tuple[TrainingTable, dict[str, tuple[int, int]]]:
    """A table in which small groups stand more often, by temperature sampling.

    A group of n rows is shown in proportion to n^(1/temperature): 1 leaves the table as it is, and
    the higher the temperature, the more equal the groups become. Nothing is left out: the most
    frequent group stands once, and rows of the others repeat.

    Args:
        table: what is trained on.
        temperature: 1 or more.
        by: what makes a group.
        default_language: of rows that state none.
        seed: of the rows that repeat once more than others.

    Returns:
        The table, and for each group its rows before and after.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    default = default_language if by == "language" else None
    for row, stated in enumerate(table.rows.values(by)):
        groups[stated or default or "unknown"].append(row)
    rng = np.random.default_rng([seed, 4])
    largest = max(len(rows) for rows in groups.values())
    chosen: list[int] = []
    sizes: dict[str, tuple[int, int]] = {}
    for name, rows in sorted(groups.items()):
        wanted = round(largest * (len(rows) / largest) ** (1 / temperature))
        repeats, more = divmod(max(wanted, len(rows)), len(rows))
        shown = rows * repeats + rng.choice(rows, more, replace=False).tolist()
        sizes[name] = (len(rows), len(shown))
        chosen += shown
    return replace(table, rows=table.rows.select(sorted(chosen))), sizes


def replay(table: TrainingTable, others: TrainingTable, share: float, seed: int) -> TrainingTable:
    """A table with rows of another, so that they make up a share of all.

    Args:
        table: what is to be learned; all its rows stay.
        others: what is not to be forgotten; a part of it, or all of it more than once.
        share: of the others in the result, above 0 and below 1.
        seed: of the rows that are chosen.
    """
    wanted = max(1, round(len(table) * share / (1 - share)))
    rng = np.random.default_rng([seed, 5])
    repeats, more = divmod(wanted, len(others))
    chosen = [*range(len(others))] * repeats + rng.choice(len(others), more, replace=False).tolist()
    rows = table.rows.followed_by(others.rows.select(sorted(chosen)))
    return TrainingTable(rows, [*table.dropped, *others.dropped], num_replayed=wanted)
