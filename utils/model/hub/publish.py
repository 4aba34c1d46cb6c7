"""A finished model to the hub: what its folder knows of itself becomes the card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.cli.console import is_main_process, say_result, warn
from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.model.hub.card import ModelOrigin, format_card, is_hub_name
from utils.model.hub.settings import HubSettings
from utils.model.hub.upload import upload_model


def publish(
    folder: Path,
    base: str,
    repository: str | None,
    settings: HubSettings,
    *,
    trained: Path | None = None,
    is_scored: bool = True,
    changes: tuple[str, ...] = (),
) -> None:
    """Upload a finished model or adapter with its card, and say where it is.

    Args:
        folder: of the model.
        base: the base model's hub name or folder.
        repository: of `expect_hub`; None uploads nothing, and so do all processes but the main one.
        settings: of the upload.
        trained: folder that came out of the training, where another one is uploaded.
        is_scored: whether the dev score of `trained` is that of these weights.
        changes: sentences on what was done after training.

    Raises:
        Failure: if it could not be uploaded.
    """
    if repository is None or not is_main_process():
        return
    is_adapter = (folder / "adapter_config.json").is_file()
    if is_adapter and not is_hub_name(base):
        warn(
            f"the adapter's base model is the folder {base}, which others do not have; merge the "
            "adapter (merge_lora.py --push_to_hub=True) to upload a model that works by itself"
        )
    origin = ModelOrigin(
        title=repository.rpartition("/")[2],
        base=base,
        relation="adapter" if is_adapter else "finetune",
        licence=str(settings.license),
        best=_best(trained or folder),
        is_scored=is_scored,
        changes=changes,
    )
    address = upload_model(folder, format_card(origin), repository, settings)
    say_result(f"uploaded     {folder} to {address}")


def _best(folder: Path) -> Mapping[str, Any]:
    """What `best.json` says of a checkpoint; nothing where there is none."""
    try:
        return read_json_object(folder / "best.json", allow_nan=True)
    except (OSError, UserError):
        return {}
