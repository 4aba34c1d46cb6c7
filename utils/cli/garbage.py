"""Python's search for cycles, held off while a great many values are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Keep Python from searching ever more new values for cycles.

    It saves a third of the time of reading a large manifest, and a sixth of that of importing torch
    and transformers.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
