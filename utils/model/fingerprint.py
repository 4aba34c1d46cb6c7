"""Which model it was: hashes of all files that have a say in its text."""

from __future__ import annotations

from pathlib import Path

from utils.cli.errors import UserError
from utils.cli.files import sha256_file
from utils.model.folders import read_base_path

FILES = ("*.safetensors", "*.json", "*.txt", "model.bin")
GRAPHS = ("*.onnx*", "onnx/*.onnx*")
_NOT_READ = ("trainer_state.json", "conversion.json", "checksums.json")


def model_fingerprint(path: str, *, local_files_only: bool = False) -> tuple[str, ...] | None:
    """Hashes of a model's files; for an adapter also of its base's.

    Args:
        path: a model's or adapter's folder, or a name on the hub, which is downloaded if need be.
        local_files_only: never ask the hub.

    Returns:
        One line a file, "name sha256"; None where there is no such model (loading it says why).
    """
    folder = _folder_of(path, local_files_only)
    if folder is None:
        return None
    files = {file for pattern in (*FILES, *GRAPHS) for file in folder.glob(pattern)}
    lines = tuple(
        f"{file.name} {sha256_file(file)}" for file in sorted(files) if file.name not in _NOT_READ
    )
    if not (folder / "adapter_config.json").is_file():
        return lines
    base = model_fingerprint(read_base_path(folder), local_files_only=local_files_only)
    return None if base is None else (*lines, *base)


def _folder_of(path: str, local_files_only: bool) -> Path | None:
    if Path(path).is_dir():
        return Path(path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        patterns = [pattern for pattern in FILES if pattern != "model.bin"]
        return Path(
            snapshot_download(path, allow_patterns=patterns, local_files_only=local_files_only)
        )
    except (OSError, HfHubHTTPError, HFValidationError, UserError):
        return None
