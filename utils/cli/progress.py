"""A progress bar that shows the time left, and stays short in log files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

from utils.cli.console import is_main_process, is_quiet, printable

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")

SECONDS_BETWEEN_LOG_LINES = 10.0
SECONDS_BETWEEN_REDRAWS = 0.1
# Without a bar: a log is read for the figures.
_LOG_FORMAT = (
    "{desc}: {percentage:3.0f}% {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
)
_REDRAWING = re.compile("\r|\x1b\\[A")


class _Lines:
    """A stream on which each redrawing of a bar is a line of its own.

    Args:
        stream: What it is written to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = ""

    def write(self, text: str) -> None:
        """Write what a bar shows, unless it shows what it did before."""
        shown = _REDRAWING.sub("", text).strip()
        if shown and shown != self._last:
            self._last = shown
            self._stream.write(shown + "\n")

    def flush(self) -> None:
        """Write out what is held back."""
        self._stream.flush()


def progress(
    iterable: Iterable[Item] | None = None,
    *,
    total: int | None = None,
    initial: int = 0,
    desc: str = "",
    unit: str = "it",
) -> tqdm[Item]:
    """Wrap an iterable in a progress bar on stderr.

    Other processes than the main one show nothing, nor does any with --quiet. Where stderr is no
    terminal, a line is printed every ten seconds; work that takes less prints none.

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

    shape: dict[str, Any] = {"mininterval": SECONDS_BETWEEN_REDRAWS, "dynamic_ncols": True}
    if not sys.stderr.isatty():
        pause = SECONDS_BETWEEN_LOG_LINES
        shape = {"mininterval": pause, "maxinterval": pause, "delay": pause}
        shape["file"] = _Lines(sys.stderr)
        if total is not None or hasattr(iterable, "__len__"):
            shape["bar_format"] = _LOG_FORMAT
    bar = tqdm(
        iterable,
        total=total,
        initial=initial,
        desc=printable(desc),
        unit=unit,
        disable=is_quiet() or not is_main_process(),
        **{"file": sys.stderr, **shape},
    )
    return cast("tqdm[Item]", bar)
