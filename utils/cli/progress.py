"""A progress bar that shows the time left, and stays short in log files."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar, cast

from utils.cli.console import is_main_process

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")

SECONDS_BETWEEN_LOG_LINES = 30.0
SECONDS_BETWEEN_REDRAWS = 0.1


def progress(
    iterable: Iterable[Item] | None = None,
    *,
    total: int | None = None,
    initial: int = 0,
    desc: str = "",
    unit: str = "it",
) -> tqdm[Item]:
    """Wrap an iterable in a progress bar on stderr.

    Other processes than the main one show nothing. Where stderr is no terminal, the bar is
    printed twice a minute instead of ten times a second.

    Args:
        iterable: What to walk through; None for a bar that is moved by its `update`.
        total: Number of items; needed for the time left where the iterable has no length.
        initial: How much of it was done before.
        desc: What is being done, shown before the bar.
        unit: What an item is, such as "utt" or "batch".

    Returns:
        The tqdm bar, to be iterated over.
    """
    from tqdm import tqdm

    in_terminal = sys.stderr.isatty()
    bar = tqdm(
        iterable,
        total=total,
        initial=initial,
        desc=desc,
        unit=unit,
        disable=not is_main_process(),
        mininterval=SECONDS_BETWEEN_REDRAWS if in_terminal else SECONDS_BETWEEN_LOG_LINES,
        dynamic_ncols=in_terminal,
        file=sys.stderr,
    )
    return cast("tqdm[Item]", bar)
