"""The bytes that each token of a Whisper stands for."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def byte_of_sign() -> dict[str, int]:
    """The byte that each sign of a byte-level vocabulary stands for, as GPT-2 writes it.

    Printable bytes stand for themselves; the others, in order, for the signs from 256 on.
    """
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(plain)]
    return {chr(byte): byte for byte in plain} | {
        chr(256 + place): byte for place, byte in enumerate(hidden)
    }


def token_bytes(tokenizer: Any, count: int) -> list[bytes]:
    """The bytes of the first tokens of a Whisper's tokenizer.

    Args:
        tokenizer: of the model.
        count: how many; the ids before the special tokens.

    Returns:
        One a token; empty where the tokenizer has no such id.
    """
    signs = byte_of_sign()
    words = [b""] * count
    for word, number in tokenizer.get_vocab().items():
        if number < count:
            known = all(sign in signs for sign in word)
            words[number] = bytes(signs[sign] for sign in word) if known else word.encode()
    return words
