"""Merge a LoRA adapter into its base model.

python merge_lora.py --lora_model=output/whisper-tiny/checkpoint-best/ --output_dir=models/

Writes <output_dir>/<name of the base model>-finetune/, a plain Whisper that every program loads,
and checks before writing that it answers as the adapted model does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.cli.console import say
from utils.cli.errors import run_script
from utils.cli.settings import parse_settings


@dataclass(frozen=True)
class MergeSettings:
    """What is merged and where it goes."""

    lora_model: str = "output/whisper-tiny/checkpoint-best/"
    """Folder of the adapter."""
    output_dir: str = "models/"
    """The merged model is written to <output_dir>/<name of the base model>-finetune/."""
    local_files_only: bool = False
    """Never ask the hub for the base model."""


def main(argv: Sequence[str] | None = None) -> None:
    """Load adapter and base, merge, check, write."""
    settings = parse_settings(MergeSettings, argv, prog="merge_lora.py", description=__doc__ or "")
    # Imported after the flags: --help and a mistyped flag answer at once.
    from utils.model.folders import model_name, read_base_path, save_model, write_folder
    from utils.model.load import load_model
    from utils.model.merging import merge_adapter

    base_path = read_base_path(Path(settings.lora_model))
    adapted = load_model(settings.lora_model, local_files_only=settings.local_files_only)
    merged = merge_adapter(adapted)
    target = Path(settings.output_dir, f"{model_name(base_path)}-finetune")
    write_folder(
        target,
        lambda folder: save_model(merged.model, merged.processor, folder, merged.audio_context),
    )
    say(f"merged {settings.lora_model} into {base_path}")
    say(f"wrote  {target}")


if __name__ == "__main__":
    sys.exit(run_script(main))
