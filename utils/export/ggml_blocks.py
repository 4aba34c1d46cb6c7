"""Weights in the blocks of ggml, the library under whisper.cpp.

A block holds 32 neighbours of a row: a float16 scale, then their numbers in few bits. Formulas and
layouts are those of `quantize_row_*_ref` in ggml-quants.c: of an odd number of levels the outermost
stands for the value that is farthest from zero, with its sign.

N values, a multiple of 32; K = N / 32 blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BLOCK = 32
HALF = BLOCK // 2


@dataclass(frozen=True)
class BlockType:
    """A form of weights that ggml knows.

    Attributes:
        tensor_type: its number before each tensor.
        file_type: its number in the file's head.
        pack: float32 `(N,)` to the bytes of the blocks.
        unpack: those bytes to float32 `(N,)`.
    """

    tensor_type: int
    file_type: int
    pack: Callable[[np.ndarray], bytes]
    unpack: Callable[[bytes], np.ndarray]


def _inverse(scale: np.ndarray) -> np.ndarray:
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale != 0)


def _joined(*parts: np.ndarray) -> bytes:
    """Parts of K blocks, one behind the other within each block."""
    return np.concatenate([np.ascontiguousarray(p).view(np.uint8) for p in parts], 1).tobytes()


def _farthest(blocks: np.ndarray) -> np.ndarray:
    """float32 `(K, 1)`: the value of each block that is farthest from zero."""
    place = np.abs(blocks).argmax(1)[:, None]
    return np.take_along_axis(blocks, place, 1)


def pack_q8_0(values: np.ndarray) -> bytes:
    """8 bits: scale, 32 signed bytes."""
    blocks = values.reshape(-1, BLOCK)
    scale = (np.abs(blocks).max(1, keepdims=True) / 127).astype(np.float32)
    scaled = blocks * _inverse(scale)
    rounded = np.trunc(scaled + np.copysign(0.5, scaled))  # as C rounds: halves away from zero
    return _joined(scale.astype(np.float16), rounded.astype(np.int8))


def unpack_q8_0(content: bytes) -> np.ndarray:
    """The inverse of `pack_q8_0`."""
    blocks = np.frombuffer(content, np.uint8).reshape(-1, 2 + BLOCK)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return (scale * blocks[:, 2:].copy().view(np.int8)).reshape(-1)


def pack_q5_0(values: np.ndarray) -> bytes:
    """5 bits: scale, 4 bytes of highest bits, 16 bytes of two lower halves each."""
    blocks = values.reshape(-1, BLOCK)
    scale = (_farthest(blocks) / -16).astype(np.float32)
    numbers = np.minimum(31, blocks * _inverse(scale) + 16.5).astype(np.uint8)
    highest = np.packbits(numbers >> 4, axis=1, bitorder="little")
    return _joined(scale.astype(np.float16), highest, _nibbles(numbers & 15))


def unpack_q5_0(content: bytes) -> np.ndarray:
    """The inverse of `pack_q5_0`."""
    blocks = np.frombuffer(content, np.uint8).reshape(-1, 6 + HALF)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    highest = np.unpackbits(blocks[:, 2:6].copy(), axis=1, bitorder="little")
    numbers = _from_nibbles(blocks[:, 6:]) | (highest << 4)
    return (scale * (numbers.astype(np.float32) - 16)).reshape(-1)


def pack_q4_0(values: np.ndarray) -> bytes:
    """4 bits: scale, 16 bytes of two numbers each."""
    blocks = values.reshape(-1, BLOCK)
    scale = (_farthest(blocks) / -8).astype(np.float32)
    numbers = np.minimum(15, blocks * _inverse(scale) + 8.5).astype(np.uint8)
    return _joined(scale.astype(np.float16), _nibbles(numbers))


def unpack_q4_0(content: bytes) -> np.ndarray:
    """The inverse of `pack_q4_0`."""
    blocks = np.frombuffer(content, np.uint8).reshape(-1, 2 + HALF)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    numbers = _from_nibbles(blocks[:, 2:]).astype(np.float32)
    return (scale * (numbers - 8)).reshape(-1)


def _nibbles(numbers: np.ndarray) -> np.ndarray:
    """The first 16 numbers of a block in the lower halves, the others in the upper ones."""
    return numbers[:, :HALF] | (numbers[:, HALF:] << 4)


def _from_nibbles(packed: np.ndarray) -> np.ndarray:
    return np.concatenate([packed & 15, packed >> 4], 1)


def _pack_float(dtype: type) -> Callable[[np.ndarray], bytes]:
    return lambda values: values.astype(dtype).tobytes()


def _unpack_float(dtype: type) -> Callable[[bytes], np.ndarray]:
    return lambda content: np.frombuffer(content, dtype).astype(np.float32)


BLOCK_TYPES = {
    "f32": BlockType(0, 0, _pack_float(np.float32), _unpack_float(np.float32)),
    "f16": BlockType(1, 1, _pack_float(np.float16), _unpack_float(np.float16)),
    "q8_0": BlockType(8, 7, pack_q8_0, unpack_q8_0),
    "q5_0": BlockType(6, 8, pack_q5_0, unpack_q5_0),
    "q4_0": BlockType(2, 2, pack_q4_0, unpack_q4_0),
}
