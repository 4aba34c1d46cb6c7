"""Model and run folders: whole or not there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import WhisperProcessor

from utils.cli.data_files import read_json_object
from utils.cli.errors import Failure, UserError, refused_write
from utils.cli.files import sync_path, sync_tree
from utils.cli.json_fields import shown
from utils.cli.leftovers import exchange, remove_folder, remove_leftovers, unfinished
from utils.model.adapters.base_digest import write_base_digest
from utils.model.side_files import save_side_files

CHECKPOINT = re.compile(r"checkpoint-(\d+)")
BEST, FINAL = "checkpoint-best", "checkpoint-final"
DAMAGED = ".damaged"
"""Ending of a checkpoint that was found damaged and set aside."""
SET_ASIDE = ".set-aside"
"""Ending of the best weights of a course that a run has left."""
UNFINISHED = ".unfinished"
"""Folder in a run's in which its next checkpoint is written."""
CANDIDATES = "candidates"
"""Folder in a run's with the weights that are averaged at its end."""


def write_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder beside the target, then let it take the target's place.

    A full disk or a kill on the way leaves what stood there before.

    Args:
        target: the folder to make or replace.
        fill: writes all files into the folder that it is given.

    Raises:
        Failure: if the disk is full or the folder cannot be written.
    """
    with unfinished(target, folder=True) as folder:
        try:
            fill(folder)
            replace_folder(folder, target)
        except Exception as error:
            told = None if isinstance(error, (UserError, Failure)) else refused_write(error, folder)
            if told is None:
                raise
            raise Failure(
                f"{target} could not be written: {told}",
                "Free some space, or give another --output_dir, and run the command again.",
            ) from error


def replace_folder(finished: Path, target: Path) -> None:
    """Let a finished folder take the place of another, once all of it is on the disk.

    Args:
        finished: on the same disk as the target.
        target: existing or not.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    sync_tree(finished)
    exchange(finished, target)
    sync_path(target.parent)


def remove_remains(parent: Path) -> None:
    """Remove what killed processes left half-written; a folder that was being replaced comes back.

    Args:
        parent: the folder in which a run worked; nobody else may be writing there.
    """
    shutil.rmtree(parent / UNFINISHED, ignore_errors=True)
    remove_leftovers(parent, alone=True)


def save_model(
    model: Any,
    processor: WhisperProcessor,
    folder: Path,
    audio_context: str = "full",
    digest: str | None = None,
) -> None:
    """Write a model or adapter with everything that other programs need to load it.

    Args:
        model: FlexibleWhisper or a PeftModel around one.
        processor: its tokenizer and feature extractor.
        folder: existing or not; files in it are overwritten.
        audio_context: how it was trained, kept in `generation_config.json`.
        digest: of an adapter's base model, kept beside the adapter.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whisper = model.get_base_model() if hasattr(model, "get_base_model") else model
    whisper.generation_config.audio_context = audio_context
    if model is whisper:
        model.save_pretrained(folder)
    else:
        # No config.json beside an adapter: transformers would take the folder for a whole model.
        # Asking the hub whether the base's vocabulary grew is of no use without embeddings.
        model.save_pretrained(folder, save_embedding_layers=False)
        if digest is not None:
            write_base_digest(folder, digest)
    save_side_files(processor, whisper.generation_config, folder)
    _let_others_read(folder)


def _let_others_read(folder: Path) -> None:
    """Give files the permissions that the user's umask asks for; safetensors writes 0600."""
    umask = os.umask(0)
    os.umask(umask)
    for file in folder.iterdir():
        if file.is_file():
            file.chmod(0o666 & ~umask)


def model_name(path: str) -> str:
    """Last part of a model's path or hub name: `openai/whisper-tiny` -> `whisper-tiny`."""
    return os.path.basename(os.path.normpath(path))


def checkpoints(run: Path) -> list[Path]:
    """The numbered checkpoints of a run, oldest first."""
    if not run.is_dir():
        return []
    found = [p for p in run.iterdir() if p.is_dir() and CHECKPOINT.fullmatch(p.name)]
    return sorted(found, key=lambda p: int(p.name.rpartition("-")[2]))


def clear_run(run: Path) -> None:
    """Remove what an earlier run wrote, and nothing else."""
    written = [
        *checkpoints(run),
        *run.glob(f"checkpoint-*{DAMAGED}*"),
        *run.glob(f"*{SET_ASIDE}*"),
        run / UNFINISHED,
    ]
    for folder in [*written, run / BEST, run / FINAL, run / CANDIDATES, run / "tensorboard"]:
        remove_folder(folder)
    logs = ("metrics.jsonl", "dropped.jsonl", "profile.json", "average.json", "dev_examples.jsonl")
    for name in ("run.json", "settings.yaml", *logs):
        (run / name).unlink(missing_ok=True)


def read_base_path(adapter: Path) -> str:
    """The base model that an adapter folder names.

    Raises:
        UserError: if the folder holds no adapter, or its base is one.
    """
    config = adapter / "adapter_config.json"
    if not config.is_file():
        held = ", ".join(sorted(p.name for p in adapter.iterdir())[:12]) if adapter.is_dir() else ""
        raise UserError(
            f"{adapter} holds no adapter: it has no adapter_config.json",
            f"It holds {held}." if held else f"There is no folder {adapter}.",
        )
    hint = "Copy it again from where the adapter was trained."
    base = read_json_object(config, hint).get("base_model_name_or_path")
    if type(base) is not str or not base:
        raise UserError(
            f"{config}: base_model_name_or_path is {shown(base)}; expected a model's path or name",
            hint,
        )
    if os.path.isfile(Path(base, "adapter_config.json")):  # perhaps this one itself
        raise UserError(
            f"the base model of the adapter {adapter} is {base}, an adapter too",
            f"Merge that one first: python merge_lora.py --lora_model={base}",
        )
    return base
