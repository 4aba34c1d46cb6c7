"""The bytes that each token of a Whisper stands for."""

from __future__ import annotations

from typing import Any

from utils.model.official_names import byte_of_sign


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
