"""Tokens that a Whisper did not have: in its tokenizer, its embeddings and its settings.

A word is one token where the model spelled it in pieces; `<|yue|>` is a language. New ids follow
the old ones, which end with the timestamps, so that no old id changes its meaning. A new row of
the embeddings is the mean of the rows that it replaces: the pieces of the word, or all languages
for a language. The projection to the vocabulary is tied to the embeddings and stays so.

D model width, V vocabulary.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tokenizers import AddedToken
from torch import nn
from transformers import WhisperProcessor

from utils.cli.errors import UserError
from utils.manifest.joining import is_written_solid
from utils.manifest.languages import LANGUAGES
from utils.model.loaded import LoadedModel

SPECIAL = re.compile(r"<\|(.+)\|>")


def read_tokens(path: str) -> list[str]:
    """Read new tokens from a text file, one a line; empty lines do not count.

    Raises:
        UserError: if the file is missing, empty, or names a token twice.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"--add_tokens={path}: there is no such file", "One token a line.")
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        message = f"--add_tokens={path} cannot be read: {error}"
        raise UserError(message, "One token a line.") from error
    tokens = [line.strip() for line in lines if line.strip()]
    if not tokens:
        raise UserError(f"--add_tokens={path}: the file names no token", "One token a line.")
    twice = next((token for token in tokens if tokens.count(token) > 1), None)
    if twice is not None:
        raise UserError(f"--add_tokens={path}: {twice!r} stands there twice", "Take one out.")
    return tokens


def add_tokens(loaded: LoadedModel, tokens: list[str]) -> LoadedModel:
    """Give a model new tokens.

    Args:
        loaded: a whole Whisper; changed in place.
        tokens: words, or languages such as `<|yue|>`.

    Returns:
        The same model with a tokenizer that has the tokens.

    Raises:
        UserError: if the tokenizer has one of them, or one is no language that manifests may name.
    """
    with TemporaryDirectory() as folder:  # a copy: the tokenizer in hand keeps its pieces
        loaded.processor.save_pretrained(folder)
        processor = WhisperProcessor.from_pretrained(folder)
        known = loaded.processor.tokenizer.get_vocab()
        for token in tokens:
            _expect_new(token, known)
            processor.tokenizer.add_tokens([_added(token)])
        processor.save_pretrained(folder)
        # Special tokens that are added afterwards only count once the tokenizer is read again.
        processor = WhisperProcessor.from_pretrained(folder)
    grown = with_vocabulary(loaded, processor)
    table = grown.whisper.get_input_embeddings().weight
    with torch.no_grad():
        for token in tokens:
            replaced = _replaced(token, loaded.processor.tokenizer)
            table[processor.tokenizer.get_vocab()[_written(token)]] = table[replaced].mean(0)
    return grown


def with_vocabulary(loaded: LoadedModel, processor: WhisperProcessor) -> LoadedModel:
    """The model with a larger tokenizer, and embeddings that have a row for each token.

    Args:
        loaded: a whole Whisper; changed in place. New rows are zero.
        processor: with all tokens of the model's own and perhaps more.
    """
    whisper = loaded.whisper
    resize_embeddings(whisper, len(processor.tokenizer))
    languages = getattr(whisper.generation_config, "lang_to_id", None)
    if languages:
        ids = processor.tokenizer.get_vocab()
        named = {name: ids[name] for code in LANGUAGES if (name := f"<|{code}|>") in ids}
        whisper.generation_config.lang_to_id = {**languages, **named}
    return replace(loaded, processor=processor)


def resize_embeddings(whisper: Any, size: int) -> None:
    """Add zero rows to the embeddings `(V, D)` and the projection that is tied to them.

    Args:
        whisper: FlexibleWhisper; changed in place.
        size: rows that are needed; a table that has as many stays as it is.
    """
    table, projection = whisper.get_input_embeddings(), whisper.proj_out
    missing = size - table.num_embeddings
    if missing <= 0:
        return
    rows = torch.cat([table.weight.data, table.weight.new_zeros(missing, table.embedding_dim)])
    # One object for both, as before; a new projection would be a plain linear layer.
    table.weight = nn.Parameter(rows, requires_grad=table.weight.requires_grad)
    projection.weight = table.weight
    table.num_embeddings = projection.out_features = whisper.config.vocab_size = size


def new_ids(loaded: LoadedModel) -> tuple[int, ...]:
    """Ids after the timestamps, which no Whisper has of its own."""
    encoder = loaded.label_encoder()
    return tuple(range(encoder.last_timestamp + 1, len(loaded.processor.tokenizer)))


def _written(token: str) -> str:
    """The token as it stands in text: with the space before it, where words stand apart."""
    return token if SPECIAL.fullmatch(token) or is_written_solid(token[0]) else f" {token}"


def _added(token: str) -> AddedToken:
    special = SPECIAL.fullmatch(token) is not None
    return AddedToken(_written(token), special=special, normalized=False)


def _expect_new(token: str, known: dict[str, int]) -> None:
    if token in known or _written(token).replace(" ", "Ġ") in known:
        raise UserError(
            f"--add_tokens: the tokenizer has the token {token!r} already", "Take it out."
        )
    special = SPECIAL.fullmatch(token)
    if special is not None and special[1] not in LANGUAGES:
        raise UserError(
            f"--add_tokens: {token} is no language that a manifest can name",
            f"Languages that can be added: {_addable(known)}. Words are written without <| and |>.",
        )


def _addable(known: dict[str, int]) -> str:
    codes = [f"<|{code}|>" for code in LANGUAGES if f"<|{code}|>" not in known]
    return ", ".join(codes) or "none, the model knows all"


def _replaced(token: str, tokenizer: Any) -> list[int]:
    """Ids whose mean a new token begins with."""
    if SPECIAL.fullmatch(token):
        vocabulary = tokenizer.get_vocab()
        return [vocabulary[name] for code in LANGUAGES if (name := f"<|{code}|>") in vocabulary]
    return list(tokenizer(_written(token), add_special_tokens=False)["input_ids"])
