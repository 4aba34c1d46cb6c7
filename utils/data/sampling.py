"""How often a table shows what: clips joined, and groups of unequal size made more equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from utils.cli.files import scratch_folder
from utils.data.concat import group_rows, joined_line
from utils.data.dataset import TrainingTable
from utils.data.labels import LabelEncoder
from utils.data.table import Row, RowFile, utterance_of
from utils.parallel.shards import WHOLE, Shard

By = Literal["language", "source"]


def join_clips(
    table: TrainingTable, encoder: LabelEncoder, longest: float, seed: int, share: Shard = WHOLE
) -> Path:
    """Write rows that are clips joined to at most `longest` seconds.

    Args:
        table: single clips.
        encoder: counts the tokens of what is joined.
        longest: seconds, at most 30.
        seed: of what is joined with what.
        share: of the rows, for one of several processes.

    Returns:
        A folder for `open_rows`; it goes with this process.
    """
    rows, seconds = table.rows, table.durations
    _, kinds = rows.kinds("speaker", "source", "language", "task")
    limits = (longest, encoder.max_tokens)
    order, starts = group_rows(
        kinds, rows.numbers("is_prompted"), seconds, table.num_tokens, limits, seed
    )
    bounds = np.append(starts, len(order))
    groups = share.of(range(len(starts)))
    folder = scratch_folder("tables")
    with RowFile(folder, encoder) as file:
        for number in groups:
            group = order[bounds[number] : bounds[number + 1]].tolist()
            whole = joined_line([utterance_of(rows.value("line", row)) for row in group])
            length = float(sum(seconds[row] for row in group))
            file.add(Row.of(whole, length, encoder.encode(whole)))
    return folder


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
    default = default_language if by == "language" else None
    stated, kinds = table.rows.kinds(by)
    names = [name or default or "unknown" for (name,) in stated]
    rng = np.random.default_rng([seed, 4])
    groups = {
        name: np.flatnonzero(np.isin(kinds, [n for n, each in enumerate(names) if each == name]))
        for name in sorted(set(names))
    }
    largest = max(len(rows) for rows in groups.values())
    chosen: list[np.ndarray] = []
    sizes: dict[str, tuple[int, int]] = {}
    for name, rows in groups.items():
        wanted = round(largest * (len(rows) / largest) ** (1 / temperature))
        repeats, more = divmod(max(wanted, len(rows)), len(rows))
        chosen += [*[rows] * repeats, rng.choice(rows, more, replace=False)]
        sizes[name] = (len(rows), len(rows) * repeats + more)
    return replace(table, rows=table.rows.select(np.sort(np.concatenate(chosen)))), sizes


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
    some = rng.choice(len(others), more, replace=False)
    chosen = np.sort(np.concatenate([*[np.arange(len(others))] * repeats, some]))
    return TrainingTable(
        table.rows.followed_by(others.rows.select(chosen)),
        [*table.dropped, *others.dropped],
        num_replayed=wanted,
        sounds=table.sounds.followed_by(others.sounds),
    )
