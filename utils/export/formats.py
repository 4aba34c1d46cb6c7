"""Which forms a model can be given, and what each one's export answers.

A new format is one file beside this one, with a function like `ct2.export`, and one row in
`FORMATS`. Every export checks, before its folder takes its place, that the new form says what the
original says.
"""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.errors import UserError

if TYPE_CHECKING:  # it brings torch; a mistyped format is answered at once
    from utils.export.parity import Parity


@dataclass(frozen=True)
class Format:
    """A row of `FORMATS`.

    Attributes:
        description: what reads it.
        module: holds `export(source, target, quantization, clips, local_files_only) -> Parity`.
        quantizations: the forms of weights that it knows, the default first.
        options: names of further arguments of `export`.
        is_model: whether it is a model's form, which ALL asks for.
    """

    description: str
    module: str
    quantizations: tuple[str, ...]
    options: tuple[str, ...] = ()
    is_model: bool = True


FORMATS: dict[str, Format] = {
    "ct2": Format(
        "CTranslate2, for faster-whisper and evaluation.py",
        "utils.export.ct2",
        (
            *("float32", "float16", "bfloat16"),
            *("int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16"),
        ),
    ),
    "openai": Format(
        "the .pt file of OpenAI's own program",
        "utils.export.openai",
        ("float16", "float32"),
    ),
    "ggml": Format(
        "the file of whisper.cpp",
        "utils.export.ggml",
        ("f16", "f32", "q8_0", "q5_0", "q4_0"),
    ),
    "onnx": Format(
        "ONNX graphs, for transformers.js and onnxruntime",
        "utils.export.onnx",
        ("float32", "float16", "int8"),
    ),
    "sherpa": Format(
        "the ONNX graphs and tokens of sherpa-onnx",
        "utils.export.sherpa",
        ("float32", "float16", "int8"),
    ),
    "webapp": Format(
        "a folder for any static host: a page that runs the model on the device",
        "utils.export.webapp",
        ("int8", "float32", "float16"),
        options=("runtime",),
        is_model=False,
    ),
}
ALL = "all"
"""Stands for every format of a model."""
PROGRAMS = {"const-me": "ggml"}
"""Programs that take less than others of their format, and which that is."""
SYNONYMS = (
    ("float32", "f32", "fp32"),
    ("float16", "f16", "fp16", "half"),
    ("int8", "q8_0", "q8"),
)
"""Names for the same form of weights, one of which each format has."""


def find_format(name: str, quantization: str | None) -> tuple[Format, str]:
    """Look a format up, and the form of its weights.

    Args:
        name: A key of `FORMATS`.
        quantization: One of the format's, also by another program's name for it (`f16` is
            `float16`); None is its first.

    Raises:
        UserError: One of them is not known; the nearest is offered.
    """
    if name not in FORMATS:
        raise UserError(f"unknown format {name!r}", _offer(name, (*FORMATS, ALL), "Formats"))
    found = FORMATS[name]
    chosen = _own_name(quantization or found.quantizations[0], found.quantizations)
    if chosen not in found.quantizations:
        raise UserError(
            f"{name} has no quantization {chosen!r}",
            _offer(chosen, found.quantizations, "Quantizations"),
        )
    return found, chosen


def _own_name(quantization: str, known: Sequence[str]) -> str:
    """A format's own name for a form of weights; an unknown one stays as it is."""
    same = next((names for names in SYNONYMS if quantization in names), ())
    return next((name for name in (quantization, *same) if name in known), quantization)


def _offer(name: str, known: Sequence[str], title: str) -> str:
    nearest = difflib.get_close_matches(name.lower(), known, n=1)
    return (f"Did you mean {nearest[0]}? " if nearest else "") + f"{title}: {', '.join(known)}."


def chosen_formats(name: str, quantization: str | None) -> tuple[dict[str, str], list[str]]:
    """What a name and a form of weights ask for.

    Args:
        name: A key of `FORMATS`, or ALL.
        quantization: As for `find_format`; with ALL the formats that lack it are left out.

    Returns:
        Formats with their form of weights, and the names of those left out.

    Raises:
        UserError: One of them is not known; the nearest is offered.
    """
    if name != ALL:
        return {name: find_format(name, quantization)[1]}, []
    chosen, lacking = {}, []
    for each, found in FORMATS.items():
        if not found.is_model:
            continue
        own = _own_name(quantization or found.quantizations[0], found.quantizations)
        if own in found.quantizations:
            chosen[each] = own
        else:
            lacking.append(each)
    if not chosen:
        known = tuple(dict.fromkeys(q for f in FORMATS.values() for q in f.quantizations))
        raise UserError(
            f"no format has the quantization {quantization!r}",
            _offer(str(quantization), known, "Quantizations"),
        )
    return chosen, lacking


def target_folder(model_path: str, output_dir: str, name: str, quantization: str | None) -> Path:
    """The folder that a model's new form goes to.

    Args:
        model_path: of the original.
        output_dir: where all go.
        name: of the format.
        quantization: as the user gave it.
    """
    parts = [os.path.basename(os.path.normpath(model_path)), name, quantization]
    if str(parts[0]).startswith("checkpoint-"):  # alone it would say too little
        parts.insert(0, Path(model_path).resolve().parent.name)
    return Path(output_dir, "-".join(part for part in parts if part))


def export(
    source: str,
    target: Path,
    name: str,
    quantization: str | None,
    clips: Sequence[Any],
    program: str | None = None,
    runtime: str | None = None,
    *,
    local_files_only: bool = False,
) -> Parity:
    """Write a model in another form; see the format's own module.

    Args:
        source: a model's or adapter's folder, or a hub name.
        target: the folder to make or replace.
        name: a key of `FORMATS`.
        quantization: as for `find_format`.
        clips: utterances of at most 30 s for the check.
        program: a key of `PROGRAMS`, whose narrower limits the model must meet.
        runtime: for webapp, the folder `node_modules` that holds transformers.js.
        local_files_only: never ask the hub for the model.

    Raises:
        UserError: the program reads another format, or as the format's `export`.
        Failure: as the format's `export`.
    """
    found, chosen = find_format(name, quantization)
    options: dict[str, Any] = {"local_files_only": local_files_only}
    if program is not None:
        if PROGRAMS[program] != name:
            raise UserError(
                f"--program={program} reads {PROGRAMS[program]}, and --format is {name}",
                f"Give --format={PROGRAMS[program]}.",
            )
        options["program"] = program
    if runtime is not None:
        if "runtime" not in found.options:
            raise UserError(
                f"--web_runtime={runtime} is for --format=webapp, and --format is {name}",
                "Leave it out.",
            )
        options["runtime"] = runtime
    module = importlib.import_module(found.module)
    parity: Parity = module.export(source, target, chosen, clips, **options)
    return parity
