"""What every export does: load, write, read back, and only then take the target's place."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.export.parity import Parity, Reader, compare, folder_bytes, limit_of
from utils.manifest.utterance import Utterance
from utils.model.adapters.merging import merge_adapter
from utils.model.folders import write_folder
from utils.model.load import load_model, weights_sha256
from utils.model.loaded import LoadedModel

CONVERSION = "conversion.json"
Writer = Callable[[LoadedModel, Path, str], None]
"""(model, empty folder, quantization): writes the model's new form."""
Opener = Callable[[LoadedModel, Path, str], Reader]
"""(original, folder, quantization): the new form in the program that reads it."""


def export_checked(
    source: str,
    target: Path,
    quantization: str,
    clips: Sequence[Utterance],
    write: Writer,
    read: Opener,
    local_files_only: bool = False,
    at_most_bits: int = 32,
) -> Parity:
    """Write a model in another form and hold it to what the original says.

    Args:
        source: a model's or adapter's folder, or a hub name.
        target: the folder to make or replace.
        quantization: form of the weights.
        clips: utterances of at most 30 s that both transcribe.
        write: writes the new form.
        read: opens it in the program that it is for.
        local_files_only: never ask the hub.
        at_most_bits: fewer than 32 for a program whose input is not the original's; it is allowed
            what weights of so many bits are.

    Returns:
        How far they say the same.

    Raises:
        UserError: the model cannot be loaded, the format cannot hold it, or the target is someone
            else's.
        Failure: the new form says something else, or the disk is full; nothing is written then.
    """
    expect_own(target)
    loaded = load_model(source, local_files_only=local_files_only)
    if loaded.is_adapter:
        loaded = merge_adapter(loaded)
    parity = Parity(0, 0)

    def fill(folder: Path) -> None:
        nonlocal parity
        write(loaded, folder, quantization)
        parity = replace(
            compare(loaded, read(loaded, folder, quantization), clips),
            limit=max(limit_of(quantization), limit_of(str(at_most_bits))),
            original_bytes=sum(4 * weights.numel() for weights in loaded.whisper.parameters()),
            bytes=folder_bytes(folder),
        )
        parity.expect_same()
        conversion = {
            "source": source,
            "source_sha256": weights_sha256(source),
            "quantization": quantization,
            "parity": parity.to_json(),
        }
        with atomic_write(folder / CONVERSION) as handle:
            json.dump(conversion, handle, ensure_ascii=False, indent=2)

    write_folder(target, fill)
    return parity


def expect_own(target: Path) -> None:
    """See that a target is free, or was written by convert.py.

    Raises:
        UserError: it is someone else's.
    """
    if target.exists() and not (target / CONVERSION).is_file():
        raise UserError(
            f"{target} exists and was not written by convert.py",
            "Give another --output_dir, or move it away.",
        )
