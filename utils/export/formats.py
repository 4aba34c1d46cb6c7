"""Which forms a model can be given, and what each one's export answers.

A new format is one file beside this one, with a function like `ct2.export`, and one row in
`FORMATS`. Every export checks, before its folder takes its place, that the new form says what the
original says.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError


@dataclass(frozen=True)
class Format:
    """A row of `FORMATS`.

    Attributes:
        description: what reads it.
        module: holds `export(source, target, quantization, clips) -> Parity`.
        quantizations: the forms of weights that it knows, the default first.
    """

    description: str
    module: str
    quantizations: tuple[str, ...]


@dataclass(frozen=True)
class Parity:
    """How far the new form says the same as the original.

    Attributes:
        clips: how many were transcribed by both.
        equal: how many came out with the same token ids.
        differing: the clips that did not, as (id, original text, new text).
    """

    clips: int
    equal: int
    differing: tuple[tuple[str, str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What stands beside the model, in conversion.json."""
        return asdict(self)


FORMATS: dict[str, Format] = {
    "ct2": Format(
        "CTranslate2, for faster-whisper and evaluation.py",
        "utils.export.ct2",
        (
            *("float32", "float16", "bfloat16"),
            *("int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16"),
        ),
    ),
}


def find_format(name: str, quantization: str | None) -> tuple[Format, str]:
    """Look a format up, and the form of its weights.

    Args:
        name: A key of `FORMATS`.
        quantization: One of the format's; None is its first.

    Raises:
        UserError: One of them is not known; the nearest is offered.
    """
    if name not in FORMATS:
        raise UserError(f"unknown format {name!r}", _offer(name, tuple(FORMATS), "Formats"))
    found = FORMATS[name]
    chosen = quantization or found.quantizations[0]
    if chosen not in found.quantizations:
        raise UserError(
            f"{name} has no quantization {chosen!r}",
            _offer(chosen, found.quantizations, "Quantizations"),
        )
    return found, chosen


def _offer(name: str, known: Sequence[str], title: str) -> str:
    nearest = difflib.get_close_matches(name.lower(), known, n=1)
    return (f"Did you mean {nearest[0]}? " if nearest else "") + f"{title}: {', '.join(known)}."


def export(
    source: str, target: Path, name: str, quantization: str | None, clips: Sequence[Any]
) -> Parity:
    """Write a model in another form; see the format's own module."""
    found, chosen = find_format(name, quantization)
    parity: Parity = importlib.import_module(found.module).export(source, target, chosen, clips)
    return parity
