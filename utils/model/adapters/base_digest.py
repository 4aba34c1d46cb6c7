"""Which base model an adapter was trained on, kept beside the adapter.

Models of one shape take each other's adapters without a word, and then talk nonsense.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers.utils import cached_file

from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError

BASE_FILE = "base_model.json"
WHOLE_WEIGHTS, SHARDED_WEIGHTS = "model.safetensors", "model.safetensors.index.json"
_ROWS = 8  # of each weight: training moves all rows, and large models need not be read whole
_EACH = 97  # of so many tokens one has a say
_TIED = "proj_out.weight"  # stands in some files and not in others


def base_digest(path: str, tokenizer: Any, *, local_files_only: bool = False) -> str | None:
    """A hash of a part of a model's vocabulary and of each of its weights, as its files hold them.

    It does not depend on the precision that the model is loaded in.

    Args:
        path: a model's folder or its name on the hub.
        tokenizer: of the model, before tokens are added.
        local_files_only: never ask the hub.

    Returns:
        SHA-256 in hexadecimal digits; None for what has no weights of its own, such as an adapter.
    """
    files = _weight_files(path, local_files_only)
    if not files:
        return None
    parts: dict[str, bytes] = {}
    for file in files:
        with safe_open(file, framework="pt") as weights:
            for name in set(weights.keys()) - {_TIED}:
                part = weights.get_slice(name)
                shape = part.get_shape()
                rows = (part[:_ROWS] if shape else weights.get_tensor(name)).float().numpy()
                parts[name] = f"{name} {shape} ".encode() + rows.tobytes()
    tokens = tokenizer.convert_ids_to_tokens(list(range(0, len(tokenizer), _EACH)))
    digest = hashlib.sha256(json.dumps([len(tokenizer), tokens]).encode())
    for name in sorted(parts):
        digest.update(parts[name])
    return digest.hexdigest()


def _weight_files(path: str, local_files_only: bool) -> list[str]:
    """Files with the weights, which loading the model has brought here."""

    def find(name: str) -> str | None:
        try:
            found = cached_file(
                path,
                name,
                local_files_only=local_files_only,
                _raise_exceptions_for_missing_entries=False,
            )
        except OSError:
            return None
        return str(found) if found is not None else None

    whole = find(WHOLE_WEIGHTS)
    if whole is not None:
        return [whole]
    index = find(SHARDED_WEIGHTS)
    if index is None:
        return []
    names = set(_weight_map(Path(index)).values())
    shards = [find(name) for name in sorted(names)]
    return [shard for shard in shards if shard is not None]


def _weight_map(index: Path) -> dict[str, str]:
    """Weight -> file of a model whose weights lie in several."""
    hint = "Copy the model again."
    found = read_json_object(index, hint).get("weight_map")
    names = [*found, *found.values()] if isinstance(found, dict) else [None]
    if not all(type(name) is str for name in names):
        raise UserError(f"{index}: expected weight_map, an object of weights and files", hint)
    return dict(found or {})


def write_base_digest(folder: Path, digest: str) -> None:
    """Write into an adapter's folder what it was trained on."""
    content = json.dumps({"schema": 1, "base_sha256": digest}, indent=2)
    (folder / BASE_FILE).write_text(content + "\n", encoding="utf-8")


def expect_base(adapter: Path, base_path: str, digest: str | None) -> None:
    """See that an adapter is put on the model that it was trained on.

    Args:
        adapter: its folder; one that does not say what it was trained on passes.
        base_path: where the base model is, for the message.
        digest: of the base model that is there; None passes.

    Raises:
        UserError: if it is another model.
    """
    try:
        recorded = read_json_object(adapter / BASE_FILE).get("base_sha256")
    except FileNotFoundError:
        return
    if digest is None or digest == recorded:
        return
    raise UserError(
        f"the adapter {adapter} was trained on another base model than {base_path} (SHA-256 "
        f"{str(recorded)[:12]}..., this one is {digest[:12]}...); their shapes alone are the same",
        "Bring back the model that it was trained on, or train the adapter again. If only the "
        f"precision\nof its file has changed, remove {adapter / BASE_FILE}.",
    )
