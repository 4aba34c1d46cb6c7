"""Metrics of the `evaluate` library beside our own: of the hub, or of a folder or file."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from utils.cli.errors import UserError
from utils.scoring.metrics import METRICS
from utils.scoring.score import Score


def load_modules(names: Sequence[str]) -> dict[str, Any]:
    """Load `evaluate` modules by name or path; their code is run.

    Raises:
        UserError: There is no such module, or it cannot be loaded.
    """
    loaded = {}
    for name in names:
        import evaluate

        try:
            loaded[name] = evaluate.load(name)
        # The library raises what its downloads and the module's own imports raise.
        except Exception as error:
            near = difflib.get_close_matches(name.lower(), METRICS, n=1)
            offer = f"Did you mean {near[0]}? " if near else ""
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(
                f"--metric={name} is none of ours, and evaluate.load({name!r}) fails: {reason[0]}",
                f"{offer}Ours are {', '.join(METRICS)}. A module is the folder or file of one, or "
                "a name on the hub.",
            ) from error
    return loaded


def compute_modules(modules: dict[str, Any], score: Score) -> dict[str, dict[str, Any]]:
    """Let each module compute its figures from the normalised texts.

    Returns:
        Name of the module -> its figures that are numbers or text.

    Raises:
        UserError: A module cannot compute with texts alone.
    """
    computed = {}
    for name, module in modules.items():
        try:
            found = module.compute(
                predictions=list(score.hypotheses), references=list(score.references)
            )
        except Exception as error:
            raise UserError(
                f"the evaluate module {name} fails: {type(error).__name__}: {error}",
                "It must take predictions and references that are texts.",
            ) from error
        values = found if isinstance(found, dict) else {"value": found}
        computed[name] = {key: _plain(value) for key, value in values.items()}
    return computed


def _plain(value: Any) -> Any:
    """Return a number or text as JSON has it; anything else as text."""
    value = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, (int, float, str)) or value is None else str(value)[:200]
