"""Reading back the weights of a GGML file, to compute with what stands in it.

whisper.cpp shows no logits through its Python package; a model with the file's own weights,
unpacked from their blocks, shows how far these have moved.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from utils.export.ggml_blocks import BLOCK_TYPES
from utils.export.layout import official_name
from utils.model.loaded import LoadedModel

KINDS = {kind.tensor_type: kind for kind in BLOCK_TYPES.values()}
BYTES_PER_VALUE = {0: 4, 1: 2, 8: 34 / 32, 6: 22 / 32, 2: 18 / 32}
HEAD_FIELDS = 12


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a file by OpenAI's names, float32.

    Args:
        path: a GGML file, as `utils.export.ggml.write` wrote it.
    """
    tensors = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        _integers(file, HEAD_FIELDS)
        bins, frequencies = _integers(file, 2)
        file.seek(4 * bins * frequencies, 1)
        for _ in range(_integers(file, 1)[0]):
            file.seek(_integers(file, 1)[0], 1)
        while file.tell() < size:
            dimensions, letters, kind = _integers(file, 3)
            shape = tuple(reversed(_integers(file, dimensions)))
            name = file.read(letters).decode()
            content = file.read(int(np.prod(shape) * BYTES_PER_VALUE[kind]))
            tensors[name] = KINDS[kind].unpack(content).reshape(shape)
    return tensors


def _integers(file: IO[bytes], count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}i", file.read(4 * count))


def model_of_file(loaded: LoadedModel, path: Path, rows: Sequence[int]) -> Any:
    """A copy of the original with a file's weights.

    Args:
        loaded: the original, a whole Whisper.
        path: the file.
        rows: for each of the file's tokens the original's id.

    Returns:
        A FlexibleWhisper in evaluation mode; rows of tokens that the file lacks are as they were.
    """
    found = read_tensors(path)
    whisper = copy.deepcopy(loaded.whisper)
    weights = whisper.state_dict()
    for name, old in weights.items():
        if name == "proj_out.weight":  # the embedding itself
            continue
        new = torch.from_numpy(found[official_name(name)].copy())
        if name == "model.decoder.embed_tokens.weight":
            old[list(rows)] = new
        else:
            old.copy_(new.reshape(old.shape))
    return whisper.eval()


@torch.no_grad()
def logits_along(
    whisper: Any, features: torch.Tensor, prompt: Sequence[int], ids: Sequence[int]
) -> np.ndarray:
    """Logits float32 `(T + 1, V)` of each id and of what follows the last.

    Args:
        whisper: a FlexibleWhisper.
        features: float32 `(1, M, F)`.
        prompt: ids before the answer.
        ids: the answer, T tokens.
    """
    tokens = torch.tensor([[*prompt, *ids]])
    logits = whisper(input_features=features, decoder_input_ids=tokens).logits
    found: np.ndarray = logits[0, len(prompt) - 1 :].float().numpy()
    return found
