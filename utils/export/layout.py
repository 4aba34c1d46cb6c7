"""OpenAI's layout of a Whisper: names of tensors, dimensions, and the order of the vocabulary.

openai-whisper and whisper.cpp compute the numbers of special tokens from the size of the
vocabulary. Tokens that were added behind the timestamps are therefore moved to where these
programs look for them, or, where there is no such place, the model is refused.

V vocabulary, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from utils.cli.errors import UserError
from utils.data.labels import LAST_TIMESTAMP
from utils.model.loaded import LoadedModel
from utils.model.official_names import official_name

ENGLISH, MULTILINGUAL, WITH_CANTONESE = 51_864, 51_865, 51_866
"""Sizes of the vocabularies of `.en` models, of the first multilingual ones, and of large-v3."""
CANTONESE = "<|yue|>"
BASE_WORDS = {ENGLISH: 50_256, MULTILINGUAL: 50_257, WITH_CANTONESE: 50_257}
AFTER_OLD_LANGUAGES = 50_358
"""First id behind the 99 languages of a vocabulary of 51,865."""


@dataclass(frozen=True)
class Vocabulary:
    """Which of a model's tokens stand where in the other program's vocabulary.

    Attributes:
        rows: for each id of the program the model's id.
        words: tokens that were added and are no languages, id to text; the caller places them.
    """

    rows: tuple[int, ...]
    words: dict[int, str]


def dimensions(loaded: LoadedModel, num_tokens: int) -> dict[str, int]:
    """The dimensions by OpenAI's names.

    Args:
        loaded: a whole Whisper.
        num_tokens: rows of its vocabulary in the new form.

    Raises:
        UserError: it is built in a way that OpenAI's code does not know.
    """
    config = loaded.whisper.config
    _expect_official(config)
    tables = (loaded.whisper.get_input_embeddings().weight, loaded.whisper.proj_out.weight)
    if not torch.equal(*tables):
        raise UserError(
            f"the output layer of {loaded.path} is not its embedding of tokens",
            "This format has one table for both; ct2 and onnx hold two.",
        )
    return {
        "n_mels": config.num_mel_bins,
        "n_audio_ctx": config.max_source_positions,
        "n_audio_state": config.d_model,
        "n_audio_head": config.encoder_attention_heads,
        "n_audio_layer": config.encoder_layers,
        "n_vocab": num_tokens,
        "n_text_ctx": config.max_target_positions,
        "n_text_state": config.d_model,
        "n_text_head": config.decoder_attention_heads,
        "n_text_layer": config.decoder_layers,
    }


def _expect_official(config: Any) -> None:
    expected = {
        "activation_function": ("gelu",),
        "scale_embedding": (False,),
        "max_source_positions": (1500,),
        "encoder_ffn_dim": (4 * config.d_model,),
        "decoder_ffn_dim": (4 * config.d_model,),
        "num_mel_bins": (80, 128),
    }
    for name, values in expected.items():
        if getattr(config, name) not in values:
            raise UserError(
                f"the model has {name} {getattr(config, name)!r}; this format holds "
                f"{' or '.join(map(str, values))} only",
                "Use --format=ct2 or --format=onnx.",
            )


def official_tensors(loaded: LoadedModel, rows: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """All weights, float32, by OpenAI's names.

    Args:
        loaded: a whole Whisper.
        rows: for each row of the new embedding `(V, D)` the row of the old one.
    """
    tensors = {}
    for name, weights in loaded.whisper.state_dict().items():
        if name == "proj_out.weight":
            continue
        tensors[official_name(name)] = weights.detach().float().contiguous()
    table = tensors["decoder.token_embedding.weight"]
    tensors["decoder.token_embedding.weight"] = table[list(rows)].contiguous()
    return tensors


def order_vocabulary(loaded: LoadedModel) -> Vocabulary:
    """Where the program will look for each token.

    Args:
        loaded: a whole Whisper.

    Raises:
        UserError: the vocabulary has another build than OpenAI's, or a language more than the
            program knows.
    """
    encoder = loaded.label_encoder()
    size = encoder.last_timestamp + 1
    if size not in BASE_WORDS or encoder.end != BASE_WORDS[size]:
        raise UserError(
            f"the timestamps of {loaded.path} end with id {size - 1}; OpenAI's vocabularies end "
            f"with {ENGLISH - 1}, {MULTILINGUAL - 1} or {WITH_CANTONESE - 1}",
            "Use --format=ct2 or --format=onnx, which bring the model's own tokenizer.",
        )
    assert encoder.last_timestamp - encoder.first_timestamp == LAST_TIMESTAMP
    names = {i: t for t, i in loaded.processor.tokenizer.get_vocab().items() if i >= size}
    rows = list(range(size))
    languages = [i for i in names if i not in encoder.added_words]
    if languages:
        if size != MULTILINGUAL or [names[i] for i in languages] != [CANTONESE]:
            raise UserError(
                f"{loaded.path} has the added language "
                f"{', '.join(sorted(names[i] for i in languages))}, which this format cannot name",
                "Use --format=ct2 or --format=onnx.",
            )
        rows[AFTER_OLD_LANGUAGES:AFTER_OLD_LANGUAGES] = languages
    words = {i: names[i] for i in sorted(encoder.added_words)}
    return Vocabulary(tuple(rows), words)
