"""Model and run folders: whole or not there."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import WhisperProcessor

from utils.cli.errors import UserError
from utils.model.side_files import save_side_files

CHECKPOINT = re.compile(r"checkpoint-(\d+)")
BEST, FINAL = "checkpoint-best", "checkpoint-final"


def write_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder beside the target, then let it take the target's place.

    A full disk or a kill on the way leaves what stood there before.

    Args:
        target: the folder to make or replace.
        fill: writes all files into the folder that it is given.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
    retired = target.with_name(f".{target.name}.{os.getpid()}.old")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        fill(unfinished)
        if target.exists():
            os.replace(target, retired)
        os.replace(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)


def save_model(
    model: Any, processor: WhisperProcessor, folder: Path, audio_context: str = "full"
) -> None:
    """Write a model or adapter with everything that other programs need to load it.

    Args:
        model: FlexibleWhisper or a PeftModel around one.
        processor: its tokenizer and feature extractor.
        folder: existing or not; files in it are overwritten.
        audio_context: how it was trained, kept in `generation_config.json`.

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


def prepare_run(run: Path, resume: str | None, overwrite: bool) -> str | None:
    """Make a run's folder, or find where to go on.

    Args:
        run: `output/<model name>`.
        resume: a checkpoint folder, "auto" for the newest of this run, or None.
        overwrite: begin anew where an earlier run stands.

    Returns:
        The checkpoint to resume from, or None to begin.

    Raises:
        UserError: if an earlier run stands there, or there is nothing to resume from.
    """
    earlier = checkpoints(run)
    if resume == "auto":
        return str(earlier[-1]) if earlier else None
    if resume is not None:
        if not Path(resume, "trainer_state.json").is_file():
            known = ", ".join(str(p) for p in earlier) or "none"
            raise UserError(
                f"{resume} is no checkpoint that training can resume from "
                "(it has no trainer_state.json)",
                f"Checkpoints of this run: {known}. --resume_from_checkpoint=auto takes the last.",
            )
        return resume
    occupied = earlier or [run / name for name in (BEST, FINAL) if (run / name).exists()]
    if occupied and not overwrite:
        raise UserError(
            f"{run} holds an earlier run ({occupied[-1].name})",
            "Go on with it: --resume_from_checkpoint=auto\n"
            "Begin anew and replace it: --overwrite_output_dir=True\n"
            "Keep both: another --output_dir",
        )
    return None


def clear_run(run: Path) -> None:
    """Remove what an earlier run wrote, and nothing else."""
    for folder in [*checkpoints(run), run / BEST, run / FINAL, run / "tensorboard"]:
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("metrics.jsonl", "settings.yaml", "dropped.jsonl", "profile.json"):
        (run / name).unlink(missing_ok=True)


def read_base_path(adapter: Path) -> str:
    """The base model that an adapter folder names.

    Raises:
        UserError: if the folder holds no adapter.
    """
    config = adapter / "adapter_config.json"
    if not config.is_file():
        held = ", ".join(sorted(p.name for p in adapter.iterdir())[:12]) if adapter.is_dir() else ""
        raise UserError(
            f"{adapter} holds no adapter: it has no adapter_config.json",
            f"It holds {held}." if held else f"There is no folder {adapter}.",
        )
    return str(json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"])
